-- Reads one lock and changes nothing.
-- KEYS: hold, queue, waiters   ARGV: how many waiters to list
-- Answers {hold value, '' if free, PTTL, number of waiters, nonce, entry, nonce, entry, ...}; a foreign hold is '?'.
local value = redis.pcall('GET', KEYS[1])
if not value then
  value = ''
elseif type(value) ~= 'string' or string.sub(value, 1, 3) ~= 'dl1' then
  value = '?'
end
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local listed, live = {}, 0
for _, nonce in ipairs(redis.call('ZRANGE', KEYS[2], 0, -1)) do
  local entry = redis.call('HGET', KEYS[3], nonce)
  local deadline = entry and tonumber(string.match(entry, '^(%d+) '))
  if deadline and deadline >= now then
    live = live + 1
    if live <= tonumber(ARGV[1]) then
      listed[#listed + 1] = nonce
      listed[#listed + 1] = entry
    end
  end
end
local answer = {value, redis.call('PTTL', KEYS[1]), live}
for _, item in ipairs(listed) do
  answer[#answer + 1] = item
end
return answer
