import type { Interrupted } from '../challenge-page/page.ts'
import { clientKey } from '../facts/client-key.ts'
import { isNavigation } from '../facts/navigation.ts'
import { type Facts, Later, PASS, type PolicyLayer } from '../layer.ts'
import type { Refusal } from '../refusal.ts'
import type { ClearanceCheck, Clearances } from '../state/challenge/clearance.ts'
import { someClearance } from '../state/challenge/clearance-fields.ts'
import { type MachineTokens, machineOf } from '../state/challenge/machine-tokens.ts'
import type { Places } from '../state/challenge/places.ts'
import type { Provider } from '../state/challenge/providers/provider.ts'
import type { Policy } from '../state/policy/schema.ts'
import { challenged } from './challenge-refusal.ts'
import { CHALLENGE_PATH } from './own-paths.ts'

/** What challenges need from outside. */
export interface Challenging {
  readonly places: Places
  readonly clearances: Clearances
  readonly machines: { readonly current: MachineTokens }
  readonly providers: { of(policy: Policy['challenge']): Provider }
  /** Whether a client is asked in calm times, too. */
  isSuspicious(facts: Facts): boolean
  /**
   * What a browser had sent with the request that is refused, for it to be sent again: the request has no body afterwards.
   * Undefined where nothing is to be waited for.
   */
  readInterrupted(facts: Facts): Promise<Interrupted> | undefined
  onAsked(): void
}

/** Asks who is to show that it is a browser with a person, and lets pass who has shown it. */
export const challenge = (d: Challenging): PolicyLayer => ({
  name: 'challenge',
  admit(facts) {
    const mode = facts.route?.policy.challenge ?? 'auto'
    if (mode === 'never') return PASS
    if (mode === 'auto' && !isChosen(d, facts)) return PASS
    // A preflight (CORS) can bear no clearance; what it asks for will have to.
    if (facts.method === 'OPTIONS' || facts.path === CHALLENGE_PATH) return PASS
    const { rawHeaders } = facts.request
    if (machineOf(rawHeaders, d.machines.current) !== undefined) return PASS

    const client = clientKey(facts)
    let found: ClearanceCheck | undefined
    const isCleared = someClearance(rawHeaders, (token) => (found = d.clearances.check(token, client)) === 'good')
    if (isCleared) return PASS
    d.onAsked()
    return ask(d, facts, client, reasonFor(found))
  },
})

const isChosen = (d: Challenging, facts: Facts): boolean => {
  const { challenge: calm, emergency } = facts.policy.policy
  const share = facts.emergency === 'calm' ? calm.share : emergency.challengeShare
  if (share >= 1) return true
  return (share > 0 && d.places.of(clientKey(facts)) < share) || d.isSuspicious(facts)
}

const reasonFor = (found: ClearanceCheck | undefined): string => {
  if (found === undefined) return 'no clearance'
  return found === 'expired' ? 'a clearance that has expired' : 'a clearance of another client, or none of ours'
}

const ask = (d: Challenging, facts: Facts, client: string, reason: string): Refusal | Later => {
  const provider = d.providers.of(facts.policy.policy.challenge)
  const isPage = isNavigation(facts.method, facts.request.rawHeaders)
  const interrupted = isPage && facts.method === 'POST' ? d.readInterrupted(facts) : undefined
  if (interrupted === undefined) {
    return challenged(facts, client, provider, reason, isPage && (facts.method === 'POST' ? 'lost' : 'none'))
  }
  return new Later(interrupted.then((what) => challenged(facts, client, provider, reason, what)))
}
