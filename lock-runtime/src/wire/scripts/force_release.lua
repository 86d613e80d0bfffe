-- Ends a hold in place of its process, which is notified of that.
-- KEYS: hold   ARGV: mark, a token of the hold, for how many ms at least its process can neither
--   put it back nor acquire with that request
-- Answers 1, or 0 if the lock is not held under this token; then nothing is changed.
MARK = ARGV[1]
local value, token = read(KEYS[1]), tonumber(ARGV[2])
local request, first, count, inbox
if is_hold(value) then
  request, first, count, inbox = string.match(value, '^dl1.(%x+) %S+ (%d+) (%d+) (%S+)')
end
if not first or token < tonumber(first) or token >= first + count then
  return 0
end
select_lock(KEYS[1], request)
-- Not for a key that stays taken after its release: that has no request.
if string.find(request, '[^0]') then
  -- A full server refuses it. The message is enough then, unless it is lost as well.
  pcall(add_tombstone, math.max(redis.call('PTTL', HOLD), tonumber(ARGV[3])))
  publish(inbox, string.format('released %s %s', request, first))
end
return end_hold(value)
