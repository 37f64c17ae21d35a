import { NOW, Script } from '#shared/redis/script.ts'

/**
 * What Redis has of purges, all on one shard:
 *
 *     last       the number of the last purge. Numbers begin with the time, so that after the loss of all none comes twice, and every
 *                instance sees that there is a gap
 *     log        a sorted set: id → its number
 *     orders     a hash: id → {order, delivery, number}, as JSON
 *     queue      a sorted set: id → when it is to be told to the CDN
 *     expiry     a sorted set: id → when it may be forgotten
 *     confirmed  a sorted set: instance → the number up to which it serves nothing of what was purged
 *     alive      a sorted set: instance → when it asked last
 */

/** So long is told what became of a purge. */
const LIFE_MS = 7 * 86_400_000
/** An instance that has missed more than these empties all that it has kept. */
const LOG_LIMIT = 10_000
const LEAVING = 100
/** Each asks every second. */
const ALIVE_MS = 3_500

/** KEYS: last, log, queue, orders, expiry. ARGV: the ID, {order, delivery}, whether the CDN is told, the channel. */
export const ACCEPT = new Script(`${NOW}
local leaving = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, ${LEAVING})
for i = 1, #leaving do
  redis.call('HDEL', KEYS[4], leaving[i])
  redis.call('ZREM', KEYS[2], leaving[i])
  redis.call('ZREM', KEYS[5], leaving[i])
end
redis.call('SETNX', KEYS[1], string.format('%.0f', now))
local number = redis.call('INCR', KEYS[1])
redis.call('HSET', KEYS[4], ARGV[1], string.sub(ARGV[2], 1, -2) .. ',"number":' .. string.format('%.0f', number) .. '}')
redis.call('ZADD', KEYS[2], number, ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[2], 0, -${LOG_LIMIT + 1})
redis.call('ZADD', KEYS[5], now + ${LIFE_MS}, ARGV[1])
if ARGV[3] == '1' then redis.call('ZADD', KEYS[3], now, ARGV[1]) end
redis.call('PUBLISH', ARGV[4], ARGV[1])
return 1
`)

/**
 * KEYS: last, log, orders, confirmed, alive. ARGV: the number up to which the instance has carried out all, or -1 for one that has nothing yet;
 * how many at most; the instance, or nothing; the last purge that it has been told of, or nothing. Gives the number that it knows afterwards, 1 where
 * some may have been missed, and orders.
 *
 * A server that has lost the last purges gives their numbers to others: the last one is known by its ID as well.
 */
export const NEWS = new Script(`${NOW}
redis.call('SETNX', KEYS[1], string.format('%.0f', now))
local last = redis.call('GET', KEYS[1])
local known = tonumber(ARGV[1])
local found = redis.call('ZRANGEBYSCORE', KEYS[2], '(' .. ARGV[1], '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
if known ~= -1 then
  local isOther = ARGV[4] ~= '' and tonumber(redis.call('ZSCORE', KEYS[2], ARGV[4]) or '-1') ~= known
  local isMissing = known < tonumber(last) and (found[2] == nil or tonumber(found[2]) > known + 1)
  if known > tonumber(last) or isOther or isMissing then return {last, 1} end
end
if ARGV[3] ~= '' then
  redis.call('ZADD', KEYS[5], now, ARGV[3])
  redis.call('ZADD', KEYS[4], known == -1 and last or ARGV[1], ARGV[3])
  local gone = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now - ${ALIVE_MS}, 'LIMIT', 0, ${LEAVING})
  for i = 1, #gone do
    redis.call('ZREM', KEYS[4], gone[i])
    redis.call('ZREM', KEYS[5], gone[i])
  end
end
if known == -1 then return {last, 0} end
local answer = {ARGV[1], 0}
for i = 1, #found, 2 do
  answer[1] = string.format('%.0f', tonumber(found[i + 1]))
  local order = redis.call('HGET', KEYS[3], found[i])
  if order then answer[#answer + 1] = order else answer[2] = 1 end
end
return answer
`)

/**
 * KEYS: last, log, orders. ARGV: the number to begin with, how many at most. Gives the number of the last purge of all, and numbers and orders in
 * turn, the latest first.
 */
export const LATEST = new Script(`${NOW}
redis.call('SETNX', KEYS[1], string.format('%.0f', now))
local found = redis.call('ZREVRANGEBYSCORE', KEYS[2], ARGV[1], '-inf', 'WITHSCORES', 'LIMIT', 0, ARGV[2])
local answer = {redis.call('GET', KEYS[1])}
for i = 1, #found, 2 do
  answer[#answer + 1] = string.format('%.0f', tonumber(found[i + 1]))
  answer[#answer + 1] = redis.call('HGET', KEYS[3], found[i]) or ''
end
return answer
`)

/** KEYS: orders, confirmed, alive. ARGV: the ID. Gives {order, delivery}, how many instances have carried it out, and how many there are. */
export const REPORT = new Script(`${NOW}
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {} end
local number = tonumber(string.match(text, ',"number":(%d+)}$'))
local alive = redis.call('ZRANGEBYSCORE', KEYS[3], now - ${ALIVE_MS}, '+inf')
local purged = 0
for i = 1, #alive do
  if tonumber(redis.call('ZSCORE', KEYS[2], alive[i]) or '-1') >= number then purged = purged + 1 end
end
return {text, purged, #alive}
`)

/** KEYS: queue, orders. ARGV: how many at most, for how many milliseconds nobody else is given them. */
export const DUE = new Script(`${NOW}
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
local found = {}
for i = 1, #due do
  local text = redis.call('HGET', KEYS[2], due[i])
  if text then
    redis.call('ZADD', KEYS[1], now + ARGV[2], due[i])
    found[#found + 1] = text
  else
    redis.call('ZREM', KEYS[1], due[i])
  end
end
return found
`)

/**
 * KEYS: queue, orders. ARGV: the ID, what has become of it, in how many milliseconds it is tried again (-1: never); and so on. What has come to
 * its end is not begun again by who was late to tell.
 */
export const SETTLE = new Script(`${NOW}
for i = 1, #ARGV, 3 do
  local text = redis.call('HGET', KEYS[2], ARGV[i])
  local from = text and string.find(text, ',"delivery":', 1, true)
  local state = text and string.match(text, '^,"delivery":{"state":"(%a+)"', from)
  if text and state ~= 'delivered' and state ~= 'failed' then
    local number = string.match(text, ',"number":%d+}$')
    redis.call('HSET', KEYS[2], ARGV[i], string.sub(text, 1, from - 1) .. ',"delivery":' .. ARGV[i + 1] .. number)
    if tonumber(ARGV[i + 2]) < 0 then redis.call('ZREM', KEYS[1], ARGV[i])
    else redis.call('ZADD', KEYS[1], now + ARGV[i + 2], ARGV[i]) end
  end
end
return 1
`)
