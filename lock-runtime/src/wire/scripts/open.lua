-- Makes the fence counter of a server that has none. Sent at connect, inside a transaction that watches the
-- key. A fresh server starts from its clock; one that is known to have lost data first waits that out.
-- KEYS: fence   ARGV: floor, quarantine ms (0: fresh)
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local floor, quarantine = tonumber(ARGV[1]), tonumber(ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 1 then
  return 0
end
if quarantine > 0 then
  redis.call('SET', KEYS[1], string.format('wait:%.0f', now + quarantine * 1000))
else
  redis.call('SET', KEYS[1], string.format('%.0f', math.max(now, floor + 1)))
end
return 1
