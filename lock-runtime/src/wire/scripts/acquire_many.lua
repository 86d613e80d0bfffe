-- Turns several locks that are free, and that nobody queues for, into holds of one process, each
-- with its own block of fencing tokens from a single draw.
-- KEYS: hold of each lock, then tokens
-- ARGV: floor, mode, block, ttl ms, tail, mark, then head of each lock; as in acquire.lua
--   mode   'all' of the locks or none, or 'each' of several that have nothing to do with each
--     other: their callers just ask at one time
-- Answers the first token; the blocks of the other locks follow in their order. For 'each' an array
-- with the first token and the numbers of the locks that are not free. 0 if none was taken.
local FENCE, MARK, count, ttl = KEYS[#KEYS], ARGV[6], ARGV[3] + 0, ARGV[4]
local tail = ' ' .. ARGV[3] .. ' ' .. ARGV[5]
local all, locks, names = ARGV[2] == 'all', #KEYS - 1, {}
for lock = 1, locks do
  names[lock] = KEYS[lock] .. ':queue'
  if all then
    names[locks + lock] = KEYS[lock]
  end
end
if redis.call('EXISTS', unpack(names)) > 0 then
  return 0
end
local total = count * locks
local last = redis.pcall('HINCRBY', FENCE, MARK, total)
if type(last) ~= 'number' then
  return 0
end
local first = last - total + 1
if first <= 1e15 or first <= ARGV[1] + 0 then
  -- As in acquire.lua.
  if redis.call('HINCRBY', FENCE, MARK, -total) == 0 then
    redis.call('HDEL', FENCE, MARK)
  end
  return 0
end
local answer, fence = {first}, first
for lock = 1, locks do
  local value = 'dl1-' .. ARGV[lock + 6] .. string.format('%d', fence) .. tail
  local set = redis.pcall('SET', KEYS[lock], value, 'NX', 'PX', ttl)
  if not set or not set.ok then
    answer[#answer + 1] = lock
  end
  fence = fence + count
end
if #answer == 1 then
  return first
elseif all then
  -- None of them was there before.
  redis.call('DEL', unpack(KEYS, 1, locks))
  return 0
end
return answer
