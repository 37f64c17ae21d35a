import { setTimeout as delay } from 'node:timers/promises'
import type { RedisGuard } from '../redis.ts'

/** What calls through a guard have met with. */
export interface Observed {
  calls: number
  answered: number
  /** The longest that a call outlasted a timer of `timeoutMs` that was set with it: a busy machine delays both. */
  latestMs: number
  /** Of calls that threw: none may. */
  readonly errors: unknown[]
}

const NONE = Symbol('no answer')

/** Calls the guard every few milliseconds, over keys of all shards, until `stop`. */
export const startCalls = (
  guard: RedisGuard,
  timeoutMs: number,
): { readonly observed: Observed; stop(): Promise<void> } => {
  const observed: Observed = { calls: 0, answered: 0, latestMs: Number.NEGATIVE_INFINITY, errors: [] }
  const underWay = new Set<Promise<void>>()
  let isStopped = false
  const call = async (): Promise<void> => {
    const key = guard.key(`load:${observed.calls++ % 64}`)
    const timer = delay(timeoutMs).then(() => performance.now())
    try {
      const answer = await guard.call<unknown>(
        key,
        (redis) => redis.incr(key),
        () => NONE,
      )
      if (answer !== NONE) observed.answered++
    } catch (error) {
      observed.errors.push(error)
    }
    const endedAtMs = performance.now()
    observed.latestMs = Math.max(observed.latestMs, endedAtMs - (await timer))
  }
  const loop = (async () => {
    while (!isStopped) {
      const one = call()
      underWay.add(one)
      void one.finally(() => underWay.delete(one))
      await delay(3)
    }
    await Promise.all(underWay)
  })()
  return {
    observed,
    async stop() {
      isStopped = true
      await loop
    },
  }
}
