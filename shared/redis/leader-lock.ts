import { randomBytes } from 'node:crypto'
import { type Clock, systemClock } from '../clock.ts'
import type { Logger } from '../log.ts'
import type { RedisGuard } from '../redis.ts'
import { NOW, Script } from './script.ts'

/**
 * KEYS: the lock, the greatest token. ARGV: who, milliseconds of the lease. Gives the holder's token where that is who
 * asks, or has just become it; else nothing.
 *
 * Tokens never go back, not even on a server that has lost everything: each is at least the time.
 */
const TAKE_OR_RENEW = new Script(`
local holder = redis.call('GET', KEYS[1])
if holder then
  local name, token = string.match(holder, '^(.*) (%d+)$')
  if name ~= ARGV[1] then return false end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return token
end
${NOW}
local token = math.max(tonumber(redis.call('GET', KEYS[2]) or '0') + 1, now)
token = string.format('%.0f', token)
redis.call('SET', KEYS[2], token)
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. token, 'PX', ARGV[2])
return token
`)

/** KEYS: the lock. ARGV: who, whose token. Frees it, if it is theirs. */
const GIVE_UP = new Script(`
if redis.call('GET', KEYS[1]) == ARGV[1] .. ' ' .. ARGV[2] then return redis.call('DEL', KEYS[1]) end
return 0
`)

export interface LeaderLockSettings {
  /** What the leader does: part of the key. */
  readonly name: string
  /** How long after a leader's death another one takes its place, at most. */
  readonly leaseMs?: number
}

const LEASE_MS = 3_000
const ATTEMPTS_PER_LEASE = 3

/**
 * One instance of the fleet, for work that is to be done once: whoever holds the lease. While Redis is lost there is no
 * leader; without any configured, each instance is its own.
 *
 * A leader that was frozen may believe in a lease that has passed. What must not be done twice therefore carries the
 * {@link token}, and is refused where a greater one has been seen.
 */
export class LeaderLock {
  readonly #redis: RedisGuard | undefined
  readonly #name: string
  readonly #holder: string
  readonly #forget: (() => void) | undefined
  #attempting: Promise<void> | undefined
  readonly #leaseMs: number
  readonly #log: Logger
  readonly #clock: Clock
  #token: number | undefined
  #leaseEndsAtMs = 0
  #loggedToken: number | undefined
  #timer: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(
    redis: RedisGuard | undefined,
    instanceId: string,
    settings: LeaderLockSettings,
    log: Logger,
    clock: Clock = systemClock,
  ) {
    this.#redis = redis
    // Another life of the same instance, or another lock of this one, is another holder.
    this.#holder = `${instanceId}/${randomBytes(6).toString('base64url')}`
    this.#name = settings.name
    this.#leaseMs = settings.leaseMs ?? LEASE_MS
    this.#log = log
    this.#clock = clock
    if (redis === undefined) {
      this.#token = Math.floor(clock.wallMs())
      this.#leaseEndsAtMs = Number.POSITIVE_INFINITY
      return
    }
    this.#forget = redis.onRecovered(() => this.#start(redis))
    this.#start(redis)
  }

  /** Of this instance's leadership; undefined where it does not lead. A later leader's is greater. */
  get token(): number | undefined {
    return this.#clock.monotonicMs() < this.#leaseEndsAtMs ? this.#token : undefined
  }

  /** Gives the lead to another one at once, where there is a Redis to be told. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#forget?.()
    await this.#attempting // it may be the leader by now
    const token = this.token
    this.#leaseEndsAtMs = 0
    const redis = this.#redis
    if (redis === undefined || token === undefined) return
    await redis.call<unknown>(
      this.#key(redis),
      (commander) => GIVE_UP.run(commander, [this.#key(redis)], [this.#holder, token]),
      () => undefined,
    )
  }

  #start(redis: RedisGuard): void {
    clearTimeout(this.#timer)
    if (!this.#isClosed) this.#attempting = this.#attempt(redis)
  }

  async #attempt(redis: RedisGuard): Promise<void> {
    // The lease is counted from before it was asked for: this instance gives it up sooner than Redis does.
    const askedAtMs = this.#clock.monotonicMs()
    const keys = [this.#key(redis), `${this.#key(redis)}:token`]
    const answer = await redis.call<unknown>(
      this.#key(redis),
      (commander) => TAKE_OR_RENEW.run(commander, keys, [this.#holder, this.#leaseMs]),
      () => undefined,
    )
    if (typeof answer === 'string') {
      this.#token = Number(answer)
      this.#leaseEndsAtMs = askedAtMs + this.#leaseMs
    } else if (answer === null) {
      this.#leaseEndsAtMs = 0
    }
    this.#logChange()
    clearTimeout(this.#timer)
    if (this.#isClosed) return
    const jitter = 0.75 + Math.random() / 2
    this.#timer = setTimeout(() => this.#start(redis), (this.#leaseMs / ATTEMPTS_PER_LEASE) * jitter)
    this.#timer.unref()
  }

  #logChange(): void {
    const { token } = this
    if (token === this.#loggedToken) return
    this.#loggedToken = token
    if (token === undefined) this.#log.info({ task: this.#name }, 'no longer leads')
    else this.#log.info({ task: this.#name, token }, 'leads')
  }

  /** In braces, so that the token is on the same shard. */
  #key(redis: RedisGuard): string {
    return redis.key(`leader:{${this.#name}}`)
  }
}
