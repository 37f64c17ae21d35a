import { Script } from '#shared/redis/script.ts'
import { ROUNDING_MS } from './gcra.ts'

/**
 * What Redis does with arrival times. Each key holds one, in milliseconds of Redis' own clock, with the capacity that it is counted
 * against. What instances say of times is relative to when they sent it, as they think that Redis' clock stood then: a little too
 * early, by what an answer takes to come back. So nothing that Redis holds is ever later than what the fleet has really used.
 */

/**
 * What is executed so much later than it was sent counts for nothing: Redis was frozen, and the sender has gone on without it and tells
 * it again.
 */
const LATE_MS = 1_000
/**
 * An arrival time is kept for so long after it, as what was used before it may still be told; what would be told later is not. A client that
 * has all of its burst again by what one instance knows may owe the fleet much by what the others do.
 */
export const KEPT_MS = 1_000

/** ARGV: when it was sent (0 where that is not known), the limit's capacity, the furthest that an arrival time can be ahead. */
const COMMON = `
local time = redis.call('TIME')
local now = time[1] * 1000 + time[2] / 1000
local sent, capacity, reach = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local isLate = sent > 0 and now - sent > ${LATE_MS}
if sent == 0 or sent > now then sent = now end
local function known(key)
  local value = redis.call('GET', key)
  if not value or #value ~= 16 then return 0 end
  local arrival, heldAgainst = struct.unpack('<dd', value)
  if heldAgainst ~= capacity then arrival = math.min(arrival, now + capacity) end
  return arrival
end
local function keep(key, arrival)
  redis.call('SET', key, struct.pack('<dd', arrival, capacity), 'PX', math.ceil(math.max(arrival - now, 0) + ${KEPT_MS}))
end
local function micros(ms) return math.floor(ms * 1000) end
`

/**
 * KEYS: on one slot. ARGV: the common ones; then for each key what has been added to it, and how far ahead it is known to be at least.
 * Gives Redis' time, whether this came too late to count, and how far ahead each key is; in microseconds.
 *
 * The rule: `arrival = max(arrival + added, atLeast)`. Not `max(arrival, now) + added`: what was added was added before now.
 */
export const MERGE = new Script(`${COMMON}
local answer = { micros(now), isLate and 1 or 0 }
for i = 1, #KEYS do
  local arrival = known(KEYS[i])
  if not isLate then
    arrival = math.min(math.max(arrival + ARGV[2 * i + 2], sent + ARGV[2 * i + 3]), now + reach)
    keep(KEYS[i], arrival)
  end
  answer[i + 2] = micros(arrival - now)
end
return answer
`)

export const REFUSED = 0
export const ADMITTED = 1
const TOO_LATE = 2

/**
 * KEYS: one. ARGV: the common ones; how far ahead it is known to be at least; the emission interval and the capacity by which
 * it is decided. Gives Redis' time, the decision, and how far ahead the key is after it.
 */
export const DECIDE = new Script(`${COMMON}
if isLate then return { micros(now), ${TOO_LATE}, 0 } end
local arrival = math.min(math.max(known(KEYS[1]), sent + ARGV[4], now), now + reach)
local emission = tonumber(ARGV[5])
if arrival + emission - ARGV[6] - now > ${ROUNDING_MS} then return { micros(now), ${REFUSED}, micros(arrival - now) } end
keep(KEYS[1], arrival + emission)
return { micros(now), ${ADMITTED}, micros(arrival + emission - now) }
`)

/** KEYS: one. ARGV: the common ones; by how much less it was used than has been counted. */
export const GIVE_BACK = new Script(`${COMMON}
local arrival = known(KEYS[1])
if arrival > now then keep(KEYS[1], arrival - ARGV[4]) end
return { micros(now) }
`)
