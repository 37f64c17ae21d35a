import { Counter, type Registry } from 'prom-client'
import { SLOW_AT } from '../slo/counts.ts'
import type { Slo } from '../slo/slo.ts'
import { VERDICTS } from '../slo/verdict.ts'

/** What `/metrics` tells of this process' exchanges, by operation and by what is promised: from which Prometheus can compute the same for itself. */
export const sloMetrics = (registry: Registry, slo: Pick<Slo, 'totals'>): void => {
  const exchanges = (of: 'operation' | 'objective', help: string) =>
    new Counter({
      name: `sidegate_${of}_exchanges_total`,
      help,
      labelNames: [of, 'verdict'],
      registers: [registry],
      collect() {
        this.reset()
        for (const [name, sums] of slo.totals(of)) {
          for (const [at, verdict] of VERDICTS.entries()) this.inc({ [of]: name, verdict }, sums[at] as number)
        }
      },
    })
  exchanges('operation', 'Exchanges by what of the app’s work they were and what they count as.')
  exchanges('objective', 'Exchanges of routes with an objective, by what they count as.')
  new Counter({
    name: 'sidegate_objective_slow_total',
    help: 'Of the good ones, those that were later than the objective allows.',
    labelNames: ['objective'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [objective, sums] of slo.totals('objective')) this.inc({ objective }, sums[SLOW_AT] as number)
    },
  })
}
