-- Makes the fence counter of a server that has none. Sent at connect, inside a transaction that
-- watches the key. A fresh server starts from its clock; one that is known to have lost data first
-- waits that out.
-- KEYS: fence   ARGV: floor, longest lease ms, 1 if the server is known to have had data
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local min_fence, longest = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], string.format('wait:%.0f:%.0f:%.0f', now, longest, min_fence))
else
  redis.call('SET', KEYS[1], string.format('%.0f', math.max(now, min_fence + 1)))
end
return 1
