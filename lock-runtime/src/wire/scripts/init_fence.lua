-- Makes the fence counter of a server that has none. Sent at connect, inside a transaction that
-- watches the key. A fresh server starts from its clock; one that is known to have lost data first
-- waits that out.
-- KEYS: fence   ARGV: floor, longest lease ms, 1 if the server is known to have had data
local min_fence, now = tonumber(ARGV[1]), clock()
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
local value = string.format('%d', math.max(now, min_fence + 1))
if ARGV[3] == '1' then
  value = string.format('wait:%d:%d:%d', now, ARGV[2], min_fence)
end
redis.call('SET', KEYS[1], value)
return 1
