/** Times each pure part in batches, and prints one line of JSON. */
import { blockCases } from '../block-cases.ts'
import { cachingCases } from '../caching-cases.ts'
import { circuitCases } from '../circuit-cases.ts'
import { limitCases } from '../limit-cases.ts'
import { type MicroCase, microCases } from '../micro-cases.ts'
import type { MicroResult } from '../results.ts'
import { sloCases } from '../slo-cases.ts'

const WARM_UP_MS = 300
const BATCH_MS = 20
const BATCHES = 25

/** Where every result goes. */
const kept: { last: unknown } = { last: undefined }

const batchNs = ({ run }: MicroCase, calls: number): number => {
  const start = process.hrtime.bigint()
  for (let turn = 0; turn < calls; turn++) kept.last = run(turn)
  return Number(process.hrtime.bigint() - start)
}

const time = (microCase: MicroCase): MicroResult => {
  let calls = 1_000
  const warmUntil = performance.now() + WARM_UP_MS
  while (performance.now() < warmUntil) batchNs(microCase, calls)
  calls = Math.ceil(calls * ((BATCH_MS * 1e6) / batchNs(microCase, calls)))
  const nanoseconds = Array.from({ length: BATCHES }, () => batchNs(microCase, calls) / calls)
  return { name: microCase.name, nanoseconds }
}

const results = [...microCases, ...limitCases, ...circuitCases, ...sloCases, ...blockCases, ...cachingCases].map(
  (microCase) => time(microCase),
)
process.stdout.write(`${JSON.stringify(results)}\n`)
if (kept.last === kept) process.exitCode = 1 // never: but V8 cannot know
