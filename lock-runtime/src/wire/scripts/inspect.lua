-- Reads one lock and changes nothing.
-- KEYS: hold   ARGV: how many waiters to list
-- Answers {hold value, '' if free, PTTL, number of waiters, request id, entry, request id, entry,
-- ...}; a foreign hold is '?'. No more than the first hundred of the queue are looked at: dead ones
-- behind them count as waiting.
local LOOKED_AT = 100
local hold, queue, waiters = KEYS[1], KEYS[1] .. ':queue', KEYS[1] .. ':waiters'
local value, now = read(hold) or '', clock()
if value ~= '' and not is_hold(value) then
  value = '?'
end
local answer = {value, redis.call('PTTL', hold), redis.call('ZCOUNT', queue, 0, '+inf')}
local ids = redis.call('ZRANGE', queue, 0, '+inf', 'BYSCORE', 'LIMIT', 0, LOOKED_AT)
local entries = #ids > 0 and redis.call('HMGET', waiters, unpack(ids)) or {}
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
