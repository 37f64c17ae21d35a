import { NOW, Script } from '#shared/redis/script.ts'

/**
 * What the fleet has counted, all on one shard:
 *
 *     added    a hash: record → what instances have added since the epoch began, as a JSON list of places and counts in turn
 *     bases    a hash: record → what was known of it before: the greatest that any instance remembers, place by place
 *     changes  a sorted set: record → the number of its last change
 *     expiry   a sorted set: record → when it may be forgotten
 *     meta     a hash: `epoch`, another one after a loss; `last`, the number of the last change
 *     member   of each process: the epoch, and the number of the last batch that it has added
 *
 * A record is one series in one slot of time. A batch is added once, however often it is sent: it has the number after its process' last one.
 */

const LEAVING = 300
/** A process that Redis has not heard of for so long may be taken for one that Redis has forgotten. */
const MEMBER_LIFE_MS = 7 * 86_400_000

const LISTS = `
local function merge(one, other, isMax)
  local counts, list = {}, {}
  for i = 1, #one, 2 do counts[one[i]] = one[i + 1] end
  for i = 1, #other, 2 do
    local known = counts[other[i]] or 0
    counts[other[i]] = isMax and math.max(known, other[i + 1]) or known + other[i + 1]
  end
  for place, count in pairs(counts) do
    list[#list + 1] = place
    list[#list + 1] = count
  end
  return list
end
local function put(hash, record, given, isMax)
  local known = redis.call('HGET', hash, record)
  local list = cjson.decode(given)
  local isList, before = pcall(cjson.decode, known or '')
  if isList and type(before) == 'table' then list = merge(before, list, isMax) end -- else it is nothing of ours
  local text = cjson.encode(list)
  if text ~= known then redis.call('HSET', hash, record, text) end
end
`

/** A server that has lost everything, or the last of it, begins a new epoch with nothing: what it has forgotten, instances remember. */
const BEGIN = `
local function begin(another)
  redis.call('DEL', unpack(KEYS))
  redis.call('HSET', KEYS[1], 'epoch', another)
  return another
end
local epoch = redis.call('HGET', KEYS[1], 'epoch') or begin(ARGV[2])
`

/**
 * KEYS: meta, added, bases, changes, expiry, member. ARGV: the epoch that is known, or nothing; another one; the number of the
 * batch; and then records, lists, and how many milliseconds each is kept, in turn. Gives the epoch, and 1 where the batch is in it.
 */
export const ADD = new Script(`${NOW}${LISTS}${BEGIN}
if ARGV[1] ~= '' and ARGV[1] ~= epoch then return {epoch, 0} end
local of, told = string.match(redis.call('GET', KEYS[6]) or '', '^(%S+) (%d+)$')
local known = of == epoch and tonumber(told) or 0
local number = tonumber(ARGV[3])
if known < number - 1 then return {begin(ARGV[2]), 0} end
if known >= number then return {epoch, 1} end
redis.call('SET', KEYS[6], epoch .. ' ' .. ARGV[3], 'PX', ${MEMBER_LIFE_MS})
local leaving = redis.call('ZRANGEBYSCORE', KEYS[5], '-inf', now, 'LIMIT', 0, ${LEAVING})
if #leaving > 0 then
  redis.call('HDEL', KEYS[2], unpack(leaving))
  redis.call('HDEL', KEYS[3], unpack(leaving))
  redis.call('ZREM', KEYS[4], unpack(leaving))
  redis.call('ZREM', KEYS[5], unpack(leaving))
end
for i = 4, #ARGV, 3 do
  put(KEYS[2], ARGV[i], ARGV[i + 1], false)
  redis.call('ZADD', KEYS[4], redis.call('HINCRBY', KEYS[1], 'last', 1), ARGV[i])
  redis.call('ZADD', KEYS[5], 'NX', now + ARGV[i + 2], ARGV[i])
end
return {epoch, 1}
`)

/**
 * KEYS as above. ARGV: the epoch, and then records, lists and milliseconds. Gives 1 where it is that epoch still: none of it is less than what was
 * given, then.
 */
export const REMEMBER = new Script(`${NOW}${LISTS}
if redis.call('HGET', KEYS[1], 'epoch') ~= ARGV[1] then return 0 end
for i = 2, #ARGV, 3 do
  put(KEYS[3], ARGV[i], ARGV[i + 1], true)
  redis.call('ZADD', KEYS[4], redis.call('HINCRBY', KEYS[1], 'last', 1), ARGV[i])
  redis.call('ZADD', KEYS[5], 'NX', now + ARGV[i + 2], ARGV[i])
end
return 1
`)

/**
 * KEYS as above. ARGV: the epoch that is known, or nothing; another one; the number of the last change that is known; how many at most. Gives the
 * epoch, the number of the last change of all, and of each record that has changed since: itself, that number, what was added, the base.
 */
export const ASK = new Script(`${BEGIN}
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
if epoch == ARGV[1] and last < tonumber(ARGV[3]) then
  epoch = begin(ARGV[2])
  last = 0
end
redis.call('PEXPIRE', KEYS[6], ${MEMBER_LIFE_MS})
local since = epoch == ARGV[1] and ARGV[3] or '0'
local changed = redis.call('ZRANGEBYSCORE', KEYS[4], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local found = {epoch, last}
for i = 1, #changed, 2 do
  found[#found + 1] = changed[i]
  found[#found + 1] = changed[i + 1]
  found[#found + 1] = redis.call('HGET', KEYS[2], changed[i]) or '[]'
  found[#found + 1] = redis.call('HGET', KEYS[3], changed[i]) or '[]'
end
return found
`)
