import type { Layer } from '../layer.ts'
import type { BurnSignal } from '../slo/burn-signal.ts'

/** Counts how requests do, by the version of the policy that they met. */
export const burn = (signal: BurnSignal): Layer => ({
  name: 'burn',
  onFinish({ policy, emergency, excuse }, outcome) {
    if (excuse?.text.fault === 'client') return
    // What is refused in an emergency is not for the policy to answer for, which may be on probation.
    if (emergency !== 'calm' && outcome.refusal?.text.fault === 'policy') return
    signal.count(policy.version, outcome)
  },
})
