-- Turns whatever this request has become into nothing: out of the queue, and out of the hold if
-- the grant came meanwhile. With a tombstone above 0 ms, an acquire of this request that is still
-- under way on another connection is refused when it arrives.
-- KEYS: hold, fence   ARGV: floor, grace ms, request id, tombstone ms
-- Answers 1 if the request held the lock, else 0.
-- A part that the server refuses keeps the others from nothing, and is answered when they are done.
select_lock(KEYS[1], ARGV[3])
local tombstone = tonumber(ARGV[4])
local place, entry = redis.pcall('ZREM', QUEUE, id), redis.pcall('HDEL', WAITERS, id)
local value = read(HOLD)
local held = is_hold(value, id) and end_hold(value) or 0
if tombstone > 0 then
  add_tombstone(id, tombstone)
end
return refused('ZREM', place) or refused('HDEL', entry) or held
