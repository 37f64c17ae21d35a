import { Script } from '#shared/redis/script.ts'
import type { RedisGuard } from '#shared/redis.ts'
import type { BadExample } from '../bad-examples.ts'
import type { BurnAlert } from '../burn-alerts.ts'

const EXAMPLES_LIMIT = 5
/** As long as the short windows that alerts are usually of. */
const LIFE_SECONDS = 21_600
const PROMISES_PER_CALL = 50

/** KEYS: lists, one for each promise. ARGV: how many to keep, how long; for each list, IDs with spaces between, the latest first. */
const ADD = new Script(`
for at, key in ipairs(KEYS) do
  local ids = {}
  for id in string.gmatch(ARGV[at + 2], '%S+') do table.insert(ids, 1, id) end
  redis.call('LPUSH', key, unpack(ids))
  redis.call('LTRIM', key, 0, ARGV[1] - 1)
  redis.call('EXPIRE', key, ARGV[2])
end
return 1
`)

/** The fleet's last few exchanges that were not as promised: in Redis, or in memory where there is none. */
export class FleetExamples {
  readonly #redis: RedisGuard | undefined
  readonly #own = new Map<string, readonly string[]>()

  constructor(redis: RedisGuard | undefined) {
    this.#redis = redis
  }

  /** Those that Redis does not take are not told again: there will be others. */
  async tell(examples: readonly BadExample[]): Promise<void> {
    const redis = this.#redis
    if (redis === undefined) {
      for (const { objective, promise, ids } of examples) {
        const key = `${promise}:${objective}`
        this.#own.set(key, [...ids, ...(this.#own.get(key) ?? [])].slice(0, EXAMPLES_LIMIT))
      }
      return
    }
    for (let at = 0; at < examples.length; at += PROMISES_PER_CALL) {
      const some = examples.slice(at, at + PROMISES_PER_CALL)
      const keys = some.map((example) => keyOf(redis, example))
      const args = [EXAMPLES_LIMIT, LIFE_SECONDS, ...some.map(({ ids }) => ids.join(' '))]
      await redis.call<unknown>(
        keys[0] as string,
        (commander) => ADD.run(commander, keys, args),
        () => undefined,
      )
    }
  }

  /** The latest first. */
  async of(alert: Pick<BurnAlert, 'objective' | 'promise'>): Promise<readonly string[]> {
    const redis = this.#redis
    if (redis === undefined) return this.#own.get(`${alert.promise}:${alert.objective}`) ?? []
    const key = keyOf(redis, alert)
    return await redis.call<readonly string[]>(
      key,
      (commander) => commander.lrange(key, 0, EXAMPLES_LIMIT - 1),
      () => [],
    )
  }
}

/** Beside what fires, on the same shard. */
const keyOf = (redis: RedisGuard, { objective, promise }: Pick<BurnAlert, 'objective' | 'promise'>): string =>
  redis.key(`slo:{slo-alerts}:examples:${promise}:${objective}`)
