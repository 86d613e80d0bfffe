-- Reads one lock and changes nothing.
-- KEYS: hold, queue, waiters   ARGV: how many waiters to list
-- Answers {hold value, '' if free, PTTL, number of waiters, request id, entry, request id, entry,
-- ...}; a foreign hold is '?'. No more than the first hundred of the queue are looked at: dead ones
-- behind them count as waiting.
local LOOKED_AT = 100
local value = read(KEYS[1])
if not value then
  value = ''
elseif type(value) ~= 'string' or string.sub(value, 1, 3) ~= 'dl1' then
  value = '?'
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local left = redis.call('PTTL', KEYS[1])
local waiting = redis.call('ZCARD', KEYS[2])
local answer = {value, left, waiting}
local ids = redis.call('ZRANGE', KEYS[2], 0, LOOKED_AT - 1)
local entries = #ids > 0 and redis.call('HMGET', KEYS[3], unpack(ids)) or {}
for i, id in ipairs(ids) do
  local deadline = entries[i] and tonumber(string.match(entries[i], '^(%d+) '))
  if not deadline or deadline < now then
    answer[3] = answer[3] - 1
  elseif #answer < 3 + 2 * tonumber(ARGV[1]) then
    answer[#answer + 1] = id
    answer[#answer + 1] = entries[i]
  end
end
return answer
