import { Counter, type Registry } from 'prom-client'
import type { Slo } from '../slo/slo.ts'

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
        for (const { name, verdict, count } of slo.totals(of)) this.inc({ [of]: name, verdict }, count)
      },
    })
  exchanges('operation', 'Exchanges by what of the app’s work they were and what they count as.')
  exchanges(
    'objective',
    'Exchanges of routes with an objective, by what they count as; `slow` are those of the good ones that were later than it allows.',
  )
}
