-- Reads one lock, and the tokens under its prefix, and changes nothing.
-- KEYS: hold, tokens   ARGV: how many waiters to list
-- Answers {hold value, '' if free, PTTL, number of waiters, tokens, request id, entry, request id,
-- entry, ...}; a foreign hold is '?'. The tokens are the mark of the master that draws them; if it
-- waits, also what for, as in tokens.lua, and for how many ms; '' without a counter. No more than
-- the first hundred of the queue are looked at: dead ones behind them count as waiting.
local LOOKED_AT = 100
local hold, queue, waiters = KEYS[1], KEYS[1] .. ':queue', KEYS[1] .. ':waiters'
local value, now = read(hold) or '', clock()
if value ~= '' and not is_hold(value) then
  value = '?'
end
-- No error of a counter of another type: acquires complain of that.
local fields, tokens = redis.pcall('HGETALL', KEYS[2]), ''
for field = 1, #fields, 2 do
  local mark, kind, since, bound =
    string.match(fields[field + 1], '^(m%x+) (%a) (%d+) (%d+)$')
  if fields[field] == 'w' and mark then
    local until_us = math.min(tonumber(since), now) + tonumber(bound) * 1000
    tokens = string.format('%s %s %d', mark, kind, math.max(0, math.ceil((until_us - now) / 1000)))
  elseif string.match(fields[field], '^m%x+$') then
    tokens = fields[field]
  end
end
local answer = {value, redis.call('PTTL', hold), redis.call('ZCOUNT', queue, 0, '+inf'), tokens}
local ids = redis.call('ZRANGE', queue, 0, '+inf', 'BYSCORE', 'LIMIT', 0, LOOKED_AT)
local entries = #ids > 0 and redis.call('HMGET', waiters, unpack(ids)) or {}
for i, id in ipairs(ids) do
  local deadline = entries[i] and tonumber(string.match(entries[i], '^(%d+) '))
  if not deadline or deadline < now then
    answer[3] = answer[3] - 1
  elseif #answer < 4 + 2 * tonumber(ARGV[1]) then
    answer[#answer + 1] = id
    answer[#answer + 1] = entries[i]
  end
end
return answer
