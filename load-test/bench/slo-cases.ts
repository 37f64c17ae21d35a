import { pino } from 'pino'
import { FleetHistory } from '../../proxy/slo/fleet-history.ts'
import { Recorder } from '../../proxy/slo/recorder.ts'
import { Slo } from '../../proxy/slo/slo.ts'
import type { MicroCase } from './micro-cases.ts'

/** Spread over a few hundred buckets, as latencies are. */
const latenciesMs = Float64Array.from({ length: 1_024 }, (_, index) => Math.exp(((index * 37) % 1_024) / 150))

const recorder = new Recorder()
let nowMs = 0
const slo = new Slo(new FleetHistory(undefined, 'micro', pino({ level: 'silent' })), {
  wallMs: () => 1_800_000_000_000 + nowMs,
  monotonicMs: () => nowMs,
})

export const sloCases: readonly MicroCase[] = [
  {
    name: 'SLO, a record',
    run(turn) {
      recorder.record('read', 0, latenciesMs[turn & 1_023] as number, 300)
      return turn
    },
  },
  {
    name: 'SLO, an exchange: its operation and its objective',
    run(turn) {
      if (turn % 100 === 0) nowMs++ // a hundred thousand requests a second
      slo.record('read', 'reads', 0, latenciesMs[turn & 1_023] as number, 300, nowMs, 'an-id')
      return turn
    },
  },
]
