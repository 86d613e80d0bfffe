-- Turns whatever this request has become into nothing: out of the queue, and out of the hold if
-- the grant came meanwhile. With a fourth argument above 0 (ms) it leaves a tombstone, so that an
-- acquire of this request that is still under way on another connection is refused when it
-- arrives.
-- KEYS: hold, queue, waiters, cancelled, fence   ARGV: request id, floor, grace ms, tombstone
-- ms
-- Answers 1 if the request held the lock, else 0.
-- A part that the server refuses keeps the others from nothing, and is answered when they are done.
local tombstone = tonumber(ARGV[4])
local place, entry = redis.pcall('ZREM', QUEUE, id), redis.pcall('HDEL', WAITERS, id)
local value, ours = read_hold()
local held = value and ours and belongs_to(value, id)
if held then
  end_hold(value)
end
if tombstone > 0 then
  add_tombstone(id, tombstone)
end
return refused('ZREM', place) or refused('HDEL', entry) or (held and 1 or 0)
