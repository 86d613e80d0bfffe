-- Turns each lock that is free and that nobody queues for into a hold; what else it finds it leaves
-- as it is, to be asked for alone with acquire.lua. For locks that have nothing to do with each
-- other: their callers just ask at one time, and the cost of calling a script and of drawing tokens
-- is shared.
-- KEYS: hold of each lock, then fence. The names' names are made here, to be spared reading
-- them.
-- ARGV: floor, inbox, then request id, ttl ms, block, description of each lock
-- Answers for each lock the first token of a whole block, or 0: ask alone.
local locks = #KEYS - 1
local fence, inbox = KEYS[#KEYS], ARGV[2]
local answers, sub_keys, total = {}, {}, 0
for lock = 1, locks do
  answers[lock] = 0
  sub_keys[lock * 2 - 1] = KEYS[lock] .. ':queue'
  sub_keys[lock * 2] = KEYS[lock] .. ':cancelled'
  total = total + tonumber(ARGV[lock * 4 + 1])
end
if redis.call('EXISTS', unpack(sub_keys)) > 0 then
  return answers
end
local last = redis.pcall('INCRBY', fence, total)
local first = type(last) == 'number' and last - total + 1
if not first or first <= tonumber(ARGV[1]) or first <= 1e15 then
  -- A counter that was not there stays absent: the process that creates it must see the data loss.
  if first and redis.call('DECRBY', fence, total) == 0 then
    redis.call('DEL', fence)
  end
  return answers
end
for lock = 1, locks do
  local id, ttl, count, description = unpack(ARGV, lock * 4 - 1, lock * 4 + 2)
  local value = string.format('dl1-%s %.0f %s %s ', id, first, count, inbox) .. description
  local set = redis.pcall('SET', KEYS[lock], value, 'NX', 'PX', ttl)
  if type(set) == 'table' and set.ok then
    answers[lock] = first
  end
  first = first + tonumber(count)
end
return answers
