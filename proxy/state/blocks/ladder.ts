import type { Block } from './block.ts'

/** How long a client is blocked, and the next time, and the one after that. */
export interface LadderRules {
  readonly firstBlockSeconds: number
  /** How many times longer each next block is. */
  readonly growth: number
  readonly longestBlockSeconds: number
  /** So long after the end of a client's last block, the next one is a first one. */
  readonly forgetAfterSeconds: number
  /** What was before a block must not count after it: it is remembered for as long as that could. */
  readonly windowSeconds: number
}

/** Of a block, so that those made at once do not end at once: the crowd would come back together. */
const JITTER_SHARE = 0.1

/**
 * The next block of a client.
 *
 * @param before the last one, where there is one
 * @param random from 0 to below 1
 */
export const nextBlock = (
  rules: LadderRules,
  before: Pick<Block, 'count' | 'untilMs' | 'forgetAtMs'> | undefined,
  nowMs: number,
  random: number,
): Pick<Block, 'count' | 'sinceMs' | 'untilMs' | 'forgetAtMs'> => {
  const forgetAfterMs = rules.forgetAfterSeconds * 1_000
  const isRemembered = before !== undefined && before.forgetAtMs > nowMs && before.untilMs + forgetAfterMs > nowMs
  const count = isRemembered ? before.count + 1 : 1
  const grown = Math.min(rules.firstBlockSeconds * rules.growth ** (count - 1), rules.longestBlockSeconds)
  const jittered = Math.min(grown * (1 - JITTER_SHARE + 2 * JITTER_SHARE * random), rules.longestBlockSeconds)
  const untilMs = nowMs + Math.round(jittered * 1_000)
  return { count, sinceMs: nowMs, untilMs, forgetAtMs: untilMs + Math.max(forgetAfterMs, rules.windowSeconds * 1_000) }
}
