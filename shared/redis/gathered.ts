import { randomBytes } from 'node:crypto'
import type { RedisGuard } from '../redis.ts'
import { Script } from './script.ts'

/** KEYS: what has been told. ARGV: who, what, seconds to live, how many may tell: those who live tell it again. */
const TELL = new Script(`
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return redis.call('EXPIRE', KEYS[1], ARGV[3])
`)

/** How long what was told last is kept, also of who has ended since. */
const LIFE_SECONDS = 3_600
/** Of them, ended ones included. */
const MEMBERS_LIMIT = 1_000

/**
 * What each instance has to say of one subject, gathered from all: each writes its own latest text, and anyone reads them
 * all. For reports; nothing is to be decided by it.
 */
export class Gathered {
  readonly #redis: RedisGuard | undefined
  readonly #name: string
  /** One life of this process. */
  readonly #member: string

  constructor(redis: RedisGuard | undefined, name: string, instanceId: string) {
    this.#redis = redis
    this.#name = name
    this.#member = `${instanceId}/${randomBytes(6).toString('base64url')}`
  }

  /** Tells it, where Redis can be told. */
  async tell(subject: string, text: string): Promise<void> {
    const key = this.#keyOf(subject)
    await this.#redis?.call<unknown>(
      key,
      (redis) => TELL.run(redis, [key], [this.#member, text, LIFE_SECONDS, MEMBERS_LIMIT]),
      () => undefined,
    )
  }

  /** What all others have told; undefined where Redis cannot be asked. */
  async others(subject: string): Promise<readonly string[] | undefined> {
    if (this.#redis === undefined) return []
    const key = this.#keyOf(subject)
    const found = await this.#redis.call(
      key,
      (redis) => redis.hgetall(key),
      () => undefined,
    )
    if (found === undefined) return undefined
    return Object.entries(found).flatMap(([member, text]) => (member === this.#member ? [] : [text]))
  }

  #keyOf(subject: string): string {
    return this.#redis?.key(`gathered:${this.#name}:${subject}`) ?? ''
  }
}
