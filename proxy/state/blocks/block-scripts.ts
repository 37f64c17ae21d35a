import { NOW, Script } from '#shared/redis/script.ts'

/**
 * What Redis has of the blocks, all on one shard:
 *
 *     state     a hash: range → entry (block-entry.ts)
 *     changes   a sorted set: range → the number of its last change
 *     expiry    a sorted set: range → when it may be forgotten
 *     meta      a hash: `last`, the number of the last change of all; `epoch`, another one after a loss
 */

/** How many that have expired leave with each call. */
const LEAVING = 200

/** Entries that have expired leave unannounced: everybody knows when. */
const LEAVE = `${NOW}
local leaving = redis.call('ZRANGEBYSCORE', KEYS[4], '-inf', now, 'LIMIT', 0, ${LEAVING})
for i = 1, #leaving do
  redis.call('HDEL', KEYS[2], leaving[i])
  redis.call('ZREM', KEYS[3], leaving[i])
  redis.call('ZREM', KEYS[4], leaving[i])
end
`

/**
 * KEYS: meta, state, changes, expiry. ARGV: the channel, then for each change: the range, `set` or `keep`, the entry, when it
 * may be forgotten. Gives what each range has afterwards.
 *
 * An unblock is of the block that it has seen, and of older ones. A block that is kept (it was made by itself, or while
 * there was no Redis) gives way to one that ends later, and to an unblock of it. The one that stays is as new as the newer of
 * both: an unblock that has not seen that does not end it.
 */
export const TELL = new Script(`${LEAVE}
local found = {}
local isChanged = false
for i = 2, #ARGV, 4 do
  local range, mode, entry, forgetAt = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local stamp, kind, figure, rest = string.match(entry, '^(%d+) (%a) (%d+)(.*)$')
  local known = redis.call('HGET', KEYS[2], range)
  local isTaken = true
  if known then
    local knownStamp, knownKind, knownFigure = string.match(known, '^(%d+) (%a) (%d+)')
    knownStamp = tonumber(knownStamp) or 0
    if kind == 'x' and knownKind == 'x' then
      isTaken = tonumber(figure) > tonumber(knownFigure)
    elseif kind == 'x' then
      isTaken = knownKind == 'b' and knownStamp <= tonumber(figure)
    elseif knownKind == 'x' then
      isTaken = mode == 'set' or tonumber(stamp) > tonumber(knownFigure)
    elseif knownKind == 'b' then
      isTaken = mode == 'set' or tonumber(figure) > tonumber(knownFigure)
      if not isTaken and tonumber(stamp) > knownStamp then
        entry = stamp .. string.match(known, '^%d+(.*)$')
        forgetAt = redis.call('ZSCORE', KEYS[4], range) or forgetAt
        isTaken = true
      end
    end
    if isTaken and tonumber(stamp) <= knownStamp then
      entry = string.format('%.0f', knownStamp + 1) .. ' ' .. kind .. ' ' .. figure .. rest
    end
  end
  if isTaken and entry ~= known then
    redis.call('HSET', KEYS[2], range, entry)
    redis.call('ZADD', KEYS[3], redis.call('HINCRBY', KEYS[1], 'last', 1), range)
    redis.call('ZADD', KEYS[4], forgetAt, range)
    isChanged = true
    known = entry
  end
  found[#found + 1] = known or ''
end
if isChanged then redis.call('PUBLISH', ARGV[1], 'changed') end
return found
`)

/**
 * KEYS as above. ARGV: the epoch that is known, another one, the last change that is known, how many at most. Gives the epoch,
 * the number of the last change of all, and ranges, numbers and entries in turn.
 *
 * A server that has lost everything, or the last of it, gets another epoch: all who come hear of the loss by that.
 */
export const ASK = new Script(`${LEAVE}
local epoch = redis.call('HGET', KEYS[1], 'epoch')
local last = tonumber(redis.call('HGET', KEYS[1], 'last') or '0')
if not epoch or (epoch == ARGV[1] and last < tonumber(ARGV[3])) then
  epoch = ARGV[2]
  redis.call('HSET', KEYS[1], 'epoch', epoch)
end
local since = epoch == ARGV[1] and ARGV[3] or '0'
local changed = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. since, '+inf', 'WITHSCORES', 'LIMIT', 0, ARGV[4])
local found = {epoch, last}
for i = 1, #changed, 2 do
  found[#found + 1] = changed[i]
  found[#found + 1] = changed[i + 1]
  found[#found + 1] = redis.call('HGET', KEYS[2], changed[i]) or ''
end
return found
`)
