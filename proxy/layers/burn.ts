import type { Layer } from '../layer.ts'
import type { BurnSignal } from '../slo/burn-signal.ts'

/** Counts how requests do, by the version of the policy that they met. */
export const burn = (signal: BurnSignal): Layer => ({
  name: 'burn',
  onFinish: (exchange, outcome) => signal.count(exchange.policy.version, outcome),
})
