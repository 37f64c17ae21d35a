import { pino } from 'pino'
import { SharedCounts } from '#shared/redis/shared-counts.ts'
import type { SharedState } from '../build.ts'
import type { Situation } from '../exchange.ts'
import { BurnSignal } from '../slo/burn-signal.ts'
import { BlockStore } from '../state/blocks/block-store.ts'
import { ownSecrets } from '../state/challenge/open.ts'
import { compilePolicy } from '../state/policy/compile.ts'
import { defaultPolicy } from '../state/policy/read.ts'
import { NO_VIOLATIONS } from '../state/violations/violation.ts'

export const defaultPolicies = { active: compilePolicy(0, defaultPolicy()) }

/** The default policy, in calm times. */
export const calm: Situation = { policies: defaultPolicies, emergency: { state: 'calm' } }

/** What a proxy has that is alone, with no Redis, no candidate in shadow and the default policy, in calm times. */
export const unsharedState = (): SharedState => ({
  redis: undefined,
  ...calm,
  shadow: { current: undefined },
  burn: new BurnSignal(new SharedCounts(undefined, 'alone', { name: 'burn', keysLimit: 1_000 })),
  slo: { record: () => undefined },
  emergencySignals: { count: () => undefined },
  blocks: new BlockStore(undefined, pino({ level: 'silent' })),
  violations: NO_VIOLATIONS,
  fleet: { size: 1 },
  challengeSecrets: ownSecrets(),
})
