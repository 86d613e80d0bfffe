-- Turns several free locks that nobody queues for into one hold each, with one fencing token each
-- from a single draw; or changes nothing: if one of them cannot be had at once, none is taken.
-- A refused request takes them one after the other, and acquire.lua reports why it waits.
-- KEYS: hold, queue, cancelled of each lock, then fence
-- ARGV: floor, then request id, ttl ms, inbox, description of each lock
-- Answers the first token (the others follow in the order of the locks), or 0: not all at once.
local locks = (#KEYS - 1) / 3
local fence = KEYS[#KEYS]
for lock = 0, locks - 1 do
  local ttl = tonumber(ARGV[lock * 4 + 3])
  if not ttl or ttl <= 0 then
    return redis.error_reply('ERR distlock: the ttl must be above zero')
  end
end
if redis.call('EXISTS', unpack(KEYS, 1, locks * 3)) > 0 then
  return 0
end
local last = redis.pcall('INCRBY', fence, locks)
if type(last) ~= 'number' then
  return 0
end
local first = last - locks + 1
if first <= tonumber(ARGV[1]) or first <= 1e15 then
  -- A counter that was not there stays absent: the process that creates it must see the data loss.
  if redis.call('DECRBY', fence, locks) == 0 then
    redis.call('DEL', fence)
  end
  return 0
end
for lock = 0, locks - 1 do
  local id, ttl, inbox, description = unpack(ARGV, lock * 4 + 2, lock * 4 + 5)
  local head = string.format('dl1-%s %.0f 1 %s ', id, first + lock, inbox)
  local set = redis.pcall('SET', KEYS[lock * 3 + 1], head .. description, 'PX', ttl)
  if not set.ok then
    for taken = 0, lock - 1 do
      redis.call('DEL', KEYS[taken * 3 + 1])
    end
    return 0
  end
end
return first
