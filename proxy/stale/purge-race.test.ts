import type { ServerResponse } from 'node:http'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestPolicies } from '../testing/policies.ts'
import { startProxy, type TestProxy } from '../testing/start-proxy.ts'
import { startUpstream, type TestUpstream } from '../testing/start-upstream.ts'

const ROUNDS = 1_000

/** What the app has at the moment: readers see it as it was when the app answered them. */
let version = 0
let isFailing = false
let app: TestUpstream
let proxy: TestProxy

/** The reply is made at once, and comes in two pieces, some turns later; or fails then. */
const answerSlowly = async (response: ServerResponse, text: string, turns: number): Promise<void> => {
  for (let passed = 0; passed < turns; passed++) await turn()
  if (isFailing) {
    response.writeHead(500).end()
    return
  }
  response.writeHead(200, { 'Surrogate-Key': 'page' })
  response.write(text.slice(0, 3))
  for (let passed = 0; passed < turns; passed++) await turn()
  response.end(text.slice(3))
}

beforeAll(async () => {
  app = await startUpstream((_request, response) => {
    if (isFailing) response.writeHead(500).end()
    else void answerSlowly(response, `version ${version}`, version % 5)
  })
  const policies = new TestPolicies({
    routes: { page: { match: { path: '/page' }, cache: { visibility: 'public' }, stale: { keepSeconds: 600 } } },
  })
  // The clock moves on by more than a second with each look, so that every reply is kept.
  let nowMs = 0
  const monotonicMs = () => {
    nowMs += 1_500
    return nowMs
  }
  proxy = await startProxy(app.url, { ACCESS_LOG: 'off' }, policies, { clock: { wallMs: monotonicMs, monotonicMs } })
})
afterAll(async () => {
  await proxy.close()
  await app.close()
})

/** Undefined for an error. @param isFailed told of a reply that was served as the app had failed */
const versionSeen = async (isFailed?: (version: number) => void): Promise<number | undefined> => {
  const reply = await fetch(`${proxy.origin}/page`)
  const text = await reply.text()
  if (reply.status !== 200) return undefined
  const seen = Number(text.replace('version ', ''))
  if (reply.headers.get('cache-status')?.endsWith('detail=error') === true) isFailed?.(seen)
  return seen
}

it('what was purged is never seen again, whatever was on its way: a thousand times', async () => {
  const targets = [
    { kind: 'tag', values: ['page'] },
    { kind: 'url', values: ['https://public.example/page'] },
    { kind: 'prefix', values: ['https://public.example/pa'] },
    { kind: 'everything', values: [] },
  ] as const
  let served = 0
  for (let round = 0; round < ROUNDS; round++) {
    isFailing = false
    if (round % 3 === 0) await versionSeen() // something is kept
    // It fails after the purge alone.
    const afterFailure: number[] = []
    const isFailed = (seen: number) => void afterFailure.push(seen)
    const underWay = [versionSeen(isFailed), versionSeen(isFailed)]
    for (let passed = 0; passed < round % 17; passed++) await turn()
    version++
    proxy.appliedPurges.apply(targets[round % targets.length] as (typeof targets)[number])
    const afterwards = round % 2 === 0 ? [] : [versionSeen()]
    for (let passed = 0; passed < round % 7; passed++) await turn()
    isFailing = true
    const seen = await Promise.all([versionSeen(), ...afterwards, versionSeen()])
    await Promise.all(underWay)
    seen.push(await versionSeen())
    for (const one of [...seen, ...afterFailure]) expect([undefined, version]).toContain(one)
    served += seen.filter((one) => one === version).length
  }
  expect(served).toBeGreaterThan(ROUNDS / 10) // else nothing was ever kept, and nothing was shown
}, 60_000)
