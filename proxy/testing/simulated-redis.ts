import type { LimitRedis } from '../state/limits/fleet-limits.ts'

/** What becomes of a call. */
export type Fate = 'answered' | 'lost before' | 'lost after'

interface Held {
  readonly arrivalMs: number
  readonly capacityMs: number
}

const LATE_MS = 1_000

/**
 * Redis with a clock of its own, as far as merged limits see it: the rule of the script, in the language of the tests. That the script
 * has the same rule is shown with real servers.
 */
export class SimulatedRedis {
  readonly #held = new Map<string, Held>()
  readonly #time: { nowMs: number }
  /** What happens on the way to it, and on the way back. */
  underWay: () => void = () => undefined
  fate: Fate = 'answered'
  /** How often something has been told to it. */
  merges = 0

  /** @param time of everything; Redis' own clock is far from it */
  constructor(time: { nowMs: number }) {
    this.#time = time
  }

  guard(): LimitRedis {
    const call = async <Answer>(
      _key: string,
      send: (redis: never) => Promise<Answer>,
      without: () => Answer,
    ): Promise<Answer> => {
      const { fate } = this
      const commands = {
        pipeline: () => this.#pipeline(fate),
        evalsha: async (_digest: string, ...rest: readonly (string | number)[]) => this.#merge(rest.map(String)),
      }
      const answer = await send(commands as never)
      return fate === 'answered' ? answer : without()
    }
    return {
      ...{ key: (rest) => rest, shardOf: () => 'redis', isLeftAlone: () => false, isImpaired: false },
      ...{ onRecovered: () => () => undefined, call },
    }
  }

  #pipeline(fate: Fate) {
    const calls: string[][] = []
    return {
      evalsha: (_digest: string, ...rest: readonly (string | number)[]) => calls.push(rest.map(String)),
      exec: async () => {
        this.merges++
        this.underWay()
        const answers = fate === 'lost before' ? [] : calls.map((rest) => [null, this.#merge(rest)] as const)
        this.underWay()
        return answers
      },
    }
  }

  #merge([count, ...rest]: string[]): number[] {
    const now = this.#time.nowMs + 1e9
    const keys = rest.slice(0, Number(count))
    const [sentAt = 0, capacityMs = 0, reachMs = 0, ...told] = rest.slice(keys.length).map(Number)
    const isLate = sentAt > 0 && now - sentAt > LATE_MS
    const sent = sentAt === 0 ? now : Math.min(sentAt, now)
    const aheads = keys.map((key, index) => {
      const held = this.#held.get(key)
      let arrivalMs = held?.arrivalMs ?? 0
      if (held !== undefined && held.capacityMs !== capacityMs) arrivalMs = Math.min(arrivalMs, now + capacityMs)
      if (!isLate) {
        const atLeast = sent + (told[2 * index + 1] as number)
        arrivalMs = Math.min(Math.max(arrivalMs + (told[2 * index] as number), atLeast), now + reachMs)
        this.#held.set(key, { arrivalMs, capacityMs })
      }
      return Math.floor((arrivalMs - now) * 1_000)
    })
    return [Math.floor(now * 1_000), isLate ? 1 : 0, ...aheads]
  }
}
