/**
 * The attackers, as a process of their own, so that what they cost is not taken for slowness of the users' requests: sends
 * `rate` requests a second to `url` from `attackers` addresses in turn, for at most `seconds`, and tells its parent each
 * second what became of them.
 */
import { Pool } from 'undici'
import { Tallying } from './tally.ts'

export interface FloodOrder {
  readonly url: string
  readonly attackers: number
  readonly rate: number
  readonly seconds: number
}

const TICK_MS = 20
/** Whoever waits for more replies than this sends nothing more: a flood that is not answered is bounded, too. */
const UNDER_WAY_LIMIT = 256

/** Out of 198.18.0.0/15, which is kept for such measurements (RFC 2544). */
export const attackerAddress = (number: number): string => `198.18.${(number >> 8) & 255}.${number & 255}`

const flood = ({ url, attackers, rate, seconds }: FloodOrder): void => {
  const { origin, pathname } = new URL(url)
  const pool = new Pool(origin, { connections: UNDER_WAY_LIMIT, headersTimeout: 10_000 })
  const tallying = new Tallying()
  const startedAtMs = performance.now()
  let sent = 0
  let underWay = 0

  const attack = async (number: number): Promise<void> => {
    underWay++
    try {
      const headers = { 'X-Forwarded-For': attackerAddress(number), Accept: 'application/json' }
      const { statusCode, body } = await pool.request({ method: 'GET', path: pathname, headers })
      await body.dump()
      tallying.count(statusCode)
    } catch {
      tallying.count(0) // it is counted: there is nobody to tell more to
    }
    underWay--
  }

  const sending = setInterval(() => {
    const elapsedMs = performance.now() - startedAtMs
    const due = Math.floor((elapsedMs / 1_000) * rate)
    while (sent < due && underWay < UNDER_WAY_LIMIT) void attack(sent++ % attackers)
    sent = due // what could not be sent in time is not made up for
  }, TICK_MS)
  const telling = setInterval(() => process.send?.(tallying.take()), 1_000)

  const end = (): void => {
    clearInterval(sending)
    clearInterval(telling)
    process.send?.(tallying.take())
    process.disconnect?.()
    void pool.destroy()
  }
  const ending = setTimeout(end, seconds * 1_000)
  process.on('disconnect', () => {
    clearTimeout(ending)
    process.exit(0) // no flood outlives who ordered it
  })
}

if (process.send !== undefined) process.once('message', (order) => flood(order as FloodOrder))
