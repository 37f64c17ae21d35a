import { PASS, type PolicyLayer } from '../layer.ts'
import { refusal } from '../refusal.ts'
import { CHALLENGE_PATH } from './own-paths.ts'

/** In an emergency, refuses what matters least, so that there is room for the rest. */
export const shed = (): PolicyLayer => ({
  name: 'shed',
  admit({ emergency, path, policy, route }) {
    // Whoever solves a puzzle is let in by it: that way stays open.
    if (emergency !== 'emergency' || path === CHALLENGE_PATH) return PASS
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
