/** What becomes of challenges, and of the answers to them. */
export type ChallengeResult = 'asked' | AnswerResult

/**
 * - `solved`         a right answer
 * - `unverified`     the provider could not be asked, and the policy admits
 * - `malformed`      what came is no answer
 * - `forged`         signed by none of our keys, or changed since
 * - `wrong`          not the solution
 * - `expired`        too late
 * - `replayed`       answered before
 * - `other-address`  another client's puzzle
 * - `rejected`       the provider says no
 * - `unavailable`    the provider could not be asked, and the policy refuses; or too much is being asked
 * - `limited`        more answers than one client may try
 */
export type AnswerResult = (typeof ANSWER_RESULTS)[number]

const ANSWER_RESULTS = [
  'solved',
  'unverified',
  'malformed',
  'forged',
  'wrong',
  'expired',
  'replayed',
  'other-address',
  'rejected',
  'unavailable',
  'limited',
] as const

/** Since the start of the process. */
export class ChallengeCounts {
  readonly #counts: Record<ChallengeResult, number> = {
    asked: 0,
    ...(Object.fromEntries(ANSWER_RESULTS.map((result) => [result, 0])) as Record<AnswerResult, number>),
  }

  count(result: ChallengeResult): void {
    this.#counts[result]++
  }

  entries(): [ChallengeResult, number][] {
    return Object.entries(this.#counts) as [ChallengeResult, number][]
  }
}
