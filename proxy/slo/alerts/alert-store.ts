import { Script } from '#shared/redis/script.ts'
import type { RedisGuard } from '#shared/redis.ts'
import { type AlertState, NO_ALERTS } from './alert-outbox.ts'

/** What is known to be in force, and which of several is the later one: first by the leader's token, then by its number. */
interface Known {
  readonly token: number
  readonly number: number
  readonly state: AlertState
}

/** A text `<token> <number> <state>`. */
const READ = `
local known = redis.call('GET', KEYS[1])
local token, number, body = string.match(known or '', '^(%d+) (%d+) (.*)$')
token, number = tonumber(token or '0'), tonumber(number or '0')
`

/**
 * KEYS: the state. ARGV: the leader's token; and token, number and body of what it has heard of last, in case Redis knows less. From then on no
 * earlier leader writes. Gives what is in force; nothing where a later leader has claimed it.
 */
const CLAIM = new Script(`${READ}
if token > tonumber(ARGV[1]) then return false end
local heard, of = tonumber(ARGV[2]), tonumber(ARGV[3])
if heard > token or heard == token and of > number then body = ARGV[4] end
body = body or ''
redis.call('SET', KEYS[1], ARGV[1] .. ' 0 ' .. body)
return body
`)

/** KEYS: the state. ARGV: the leader's token, its number, the body. Gives 1; 0 where a later leader has claimed it. */
const WRITE = new Script(`${READ}
if token > tonumber(ARGV[1]) then return 0 end
redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
return 1
`)

/**
 * What fires and what is to be told, for all of the fleet: in Redis, or in memory where there is none. Only the leader writes, and none that was
 * it before. A Redis that has lost it is told it by the next leader, as far as that has heard of it.
 */
export class AlertStore {
  readonly #redis: RedisGuard | undefined
  readonly #key: string
  #known: Known = { token: 0, number: 0, state: NO_ALERTS }

  constructor(redis: RedisGuard | undefined) {
    this.#redis = redis
    this.#key = redis?.key('slo:{slo-alerts}:state') ?? ''
  }

  /** As this instance has heard last. */
  get state(): AlertState {
    return this.#known.state
  }

  /** What is in force, for a leader that begins; undefined where Redis cannot be asked, or there is a later one. */
  async claim(token: number): Promise<AlertState | undefined> {
    const redis = this.#redis
    if (redis === undefined) return this.state
    const heard = this.#known
    const args = [token, heard.token, heard.number, JSON.stringify(heard.state)]
    const body = await redis.call<unknown>(
      this.#key,
      (commander) => CLAIM.run(commander, [this.#key], args),
      () => undefined,
    )
    if (typeof body !== 'string') return undefined
    this.#known = { token, number: 0, state: readState(body) }
    return this.state
  }

  /** @returns `written`; `late` where there is a later leader; `unknown` where Redis has not answered */
  async write(token: number, state: AlertState): Promise<'written' | 'late' | 'unknown'> {
    const number = this.#known.token === token ? this.#known.number + 1 : 1
    const redis = this.#redis
    if (redis !== undefined) {
      const answer = await redis.call<unknown>(
        this.#key,
        (commander) => WRITE.run(commander, [this.#key], [token, number, JSON.stringify(state)]),
        () => undefined,
      )
      if (answer !== 1) return answer === 0 ? 'late' : 'unknown'
    }
    this.#known = { token, number, state }
    return 'written'
  }

  /** Hears of what is in force; where Redis does not answer or knows less, what has been heard before stays. */
  async read(): Promise<void> {
    const redis = this.#redis
    if (redis === undefined) return
    const text = await redis.call<string | null>(
      this.#key,
      (commander) => commander.get(this.#key),
      () => null,
    )
    const [, token, number, body] = /^(\d+) (\d+) (.*)$/s.exec(text ?? '') ?? []
    if (body === undefined) return
    const heard = { token: Number(token), number: Number(number) }
    const { token: knownToken, number: knownNumber } = this.#known
    if (heard.token > knownToken || (heard.token === knownToken && heard.number > knownNumber))
      this.#known = { ...heard, state: readState(body) }
  }
}

/** None for nothing, and for what is none. */
const readState = (body: string): AlertState => {
  try {
    const found = JSON.parse(body) as Partial<AlertState>
    return Array.isArray(found.firing) && Array.isArray(found.notifications) ? (found as AlertState) : NO_ALERTS
  } catch {
    return NO_ALERTS
  }
}
