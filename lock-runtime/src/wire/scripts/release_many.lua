-- Ends the holds of requests: those that nobody waits for by one command.
-- KEYS: hold of each lock   ARGV: for each the first one of release.lua, then mark
-- Answers 1 if all holds were these requests', else an array with 1 or 0 for each, as release.lua.
local values, free, others = redis.call('MGET', unpack(KEYS)), {}, nil
for lock, hold in ipairs(KEYS) do
  local value = values[lock]
  if value and string.sub(value, 1, 36) == 'dl1-' .. ARGV[lock] then
    free[#free + 1] = hold
  else
    others = others or {}
    others[#others + 1] = lock
  end
end
if free[1] then
  redis.call('DEL', unpack(free))
end
if not others then
  return 1
end
