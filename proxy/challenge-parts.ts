import type { Clock } from '#shared/clock.ts'
import type { Logger } from '#shared/log.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { BodyCollector } from './client/body-collector.ts'
import type { Facts } from './layer.ts'
import type { Challenging } from './layers/challenge.ts'
import type { Answering, FailedAnswer } from './layers/challenge-endpoint.ts'
import { readInterrupted } from './layers/interrupted-form.ts'
import type { ProxySettings } from './settings.ts'
import { AnswerAttempts } from './state/challenge/answer-attempts.ts'
import { Clearances } from './state/challenge/clearance.ts'
import { ChallengeCounts } from './state/challenge/counts.ts'
import type { ChallengeSecrets } from './state/challenge/open.ts'
import { Places } from './state/challenge/places.ts'
import { Altcha } from './state/challenge/providers/altcha.ts'
import { Providers } from './state/challenge/providers/providers.ts'
import { UsedPuzzles } from './state/challenge/used-puzzles.ts'

/** Who is asked out of turn, and who is told of clients that give answers which no browser gives. */
export interface Suspicion {
  isSuspicious(facts: Facts): boolean
  onFailedAnswer(facts: Facts, result: FailedAnswer): void
}

/** What challenges are made of. */
export interface ChallengeParts {
  readonly counts: ChallengeCounts
  readonly challenging: Challenging
  /** The same for a candidate, without effect. */
  readonly inShadow: Challenging
  readonly answering: Answering
  close(): void
}

/** Memory for forms that are kept while their browsers solve a puzzle, and for answers, which must not want for it. */
const FORMS_BYTES = 8 * 1_048_576
const FORM_DEADLINE_MS = 10_000
const ANSWERS_BYTES = 4 * 1_048_576
const ANSWER_DEADLINE_MS = 5_000

export const challengeParts = (
  { SIDEGATE_SERVICE: service }: Pick<ProxySettings, 'SIDEGATE_SERVICE'>,
  { keys, machines, thirdParties }: ChallengeSecrets,
  redis: RedisGuard | undefined,
  suspicion: Suspicion,
  clock: Clock,
  log: Logger,
): ChallengeParts => {
  const counts = new ChallengeCounts()
  const used = new UsedPuzzles(redis, clock)
  const clearances = new Clearances(keys, service, clock)
  const providers = new Providers(new Altcha(keys, service, used, clock), thirdParties, log)
  const forms = new BodyCollector(FORMS_BYTES, FORM_DEADLINE_MS)
  const challenging: Challenging = {
    places: new Places(keys),
    clearances,
    machines,
    providers,
    isSuspicious: (facts) => suspicion.isSuspicious(facts),
    readInterrupted: (facts) => readInterrupted(facts, forms),
    onAsked: () => counts.count('asked'),
  }
  return {
    counts,
    challenging,
    inShadow: { ...challenging, readInterrupted: () => undefined, onAsked: () => undefined },
    answering: {
      providers,
      clearances,
      bodies: new BodyCollector(ANSWERS_BYTES, ANSWER_DEADLINE_MS),
      attempts: new AnswerAttempts(clock),
      onResult: (result) => counts.count(result),
      onUnverified: sayUnverified(log, clock),
      onFailedAnswer: (facts, result) => suspicion.onFailedAnswer(facts, result),
    },
    close: () => used.close(),
  }
}

const UNVERIFIED_QUIET_MS = 10_000

/** Operators must hear of it, but not as often as it happens. */
const sayUnverified = (log: Logger, clock: Clock): ((reason: string) => void) => {
  let quietUntilMs = Number.NEGATIVE_INFINITY
  return (reason) => {
    const nowMs = clock.monotonicMs()
    if (nowMs < quietUntilMs) return
    quietUntilMs = nowMs + UNVERIFIED_QUIET_MS
    log.warn({ reason }, 'challenge: clients are let in unverified, as the policy has it while its provider fails')
  }
}
