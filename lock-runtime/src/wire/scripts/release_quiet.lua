-- Ends a hold that nobody waits for: two commands. Everything else is release.lua.
-- KEYS: hold, queue, waiters, cancelled, fence   ARGV: request id, floor, grace ms
-- Answers 1 if the hold was this request's, else 0 and changes nothing.
local held = read(KEYS[1])
if type(held) ~= 'string' or string.sub(held, 5, 36) ~= ARGV[1]
  or string.sub(held, 1, 3) ~= 'dl1' then
  return 0
end
if string.sub(held, 4, 4) == '-' then
  return redis.call('DEL', KEYS[1])
end
