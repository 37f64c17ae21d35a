import { Counter, type Registry } from 'prom-client'
import type { ChallengeCounts } from '../state/challenge/counts.ts'

/** What `/metrics` tells of challenges. */
export const challengeMetrics = (registry: Registry, counts: ChallengeCounts): void => {
  new Counter({
    name: 'sidegate_challenges_total',
    help: 'Clients that were asked, and what became of answers (docs/challenge.md).',
    labelNames: ['result'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [result, count] of counts.entries()) this.inc({ result }, count)
    },
  })
}
