import { PASS, type PolicyLayer } from '../layer.ts'
import { refusal } from '../refusal.ts'

/** In an emergency, refuses what matters least, so that there is room for the rest. */
export const shed = (): PolicyLayer => ({
  name: 'shed',
  admit({ emergency, policy, route }) {
    if (emergency !== 'emergency') return PASS
    const { shed: below } = policy.policy.emergency
    switch (route?.policy.priority) {
      case 'high':
        return PASS
      case 'low':
        return below === 'nothing' ? PASS : refusal('shed')
      default:
        return below === 'low-and-normal' ? refusal('shed') : PASS
    }
  },
})
