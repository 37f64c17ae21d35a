import { NOW, Script } from '#shared/redis/script.ts'

/**
 * What Redis has of kept replies, on the shard of the purges, so that a loss is of both or of neither:
 *
 *     entries  a hash: address → when it was written, the number of the last purge that its writer had carried out, the replies;
 *              and `bytes`, what all of them take, about
 *     index    a sorted set: address → when it was written
 */

/** In both structures, about. */
const OVERHEAD_BYTES = 200
/** With each call. */
const LEAVING = 200

const LEAVE = `
local function leave(address)
  local size = redis.call('HSTRLEN', KEYS[1], address)
  if size > 0 then redis.call('HINCRBY', KEYS[1], 'bytes', -(size + 2 * #address + ${OVERHEAD_BYTES})) end
  redis.call('HDEL', KEYS[1], address)
  redis.call('ZREM', KEYS[2], address)
end
`

/**
 * KEYS: entries, index. ARGV: how many bytes there may be, how many milliseconds an entry stays, the number of the last purge, and then
 * addresses and replies in turn. What was written first gives way.
 */
export const SHARE = new Script(`${NOW}${LEAVE}
if redis.call('EXISTS', KEYS[2]) == 0 then redis.call('DEL', KEYS[1]) end
local head = string.format('%.0f', now) .. ' ' .. ARGV[3] .. ' '
for i = 4, #ARGV, 2 do
  leave(ARGV[i])
  redis.call('HSET', KEYS[1], ARGV[i], head .. ARGV[i + 1])
  redis.call('HINCRBY', KEYS[1], 'bytes', #head + #ARGV[i + 1] + 2 * #ARGV[i] + ${OVERHEAD_BYTES})
  redis.call('ZADD', KEYS[2], now, ARGV[i])
end
local old = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now - ARGV[2], 'LIMIT', 0, ${LEAVING})
for i = 1, #old do leave(old[i]) end
for i = 1, ${LEAVING} do
  if tonumber(redis.call('HGET', KEYS[1], 'bytes') or '0') <= tonumber(ARGV[1]) then break end
  local first = redis.call('ZRANGE', KEYS[2], 0, 0)
  if not first[1] then break end
  leave(first[1])
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('PEXPIRE', KEYS[2], ARGV[2])
return 1
`)

/** KEYS: entries, index. ARGV: addresses. */
export const UNSHARE = new Script(`${LEAVE}
for i = 1, #ARGV do leave(ARGV[i]) end
return 1
`)

/** KEYS: index. ARGV: within how many milliseconds, and addresses. Gives for each 1 where it was written within that time. */
export const SHARED_LATELY = new Script(`${NOW}
local found = {}
for i = 2, #ARGV do
  local at = redis.call('ZSCORE', KEYS[1], ARGV[i])
  found[#found + 1] = at and now - at < tonumber(ARGV[1]) and 1 or 0
end
return found
`)

/** KEYS: entries, index. ARGV: how many were told before, the most bytes, the most addresses. Gives the time, and addresses, the latest first. */
export const PAGE = new Script(`${NOW}
local found = {string.format('%.0f', now)}
local bytes = 0
local addresses = redis.call('ZREVRANGE', KEYS[2], ARGV[1], ARGV[1] + ARGV[3] - 1)
for i = 1, #addresses do
  bytes = bytes + redis.call('HSTRLEN', KEYS[1], addresses[i])
  if i > 1 and bytes > tonumber(ARGV[2]) then break end
  found[#found + 1] = addresses[i]
end
return found
`)
