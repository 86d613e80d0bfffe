-- Turns whatever this request has become into nothing: out of the queue, and out of the hold if
-- the grant came meanwhile. With a tombstone above 0 ms, an acquire of this request that is still
-- under way on another connection is refused when it arrives.
-- KEYS: hold   ARGV: request id, tombstone ms, mark, first token of the hold that it ends or 0; if
--   the key of its hold stays taken, for how many ms
-- Answers 1 if that hold was still there, else 0. One of the same request under another token ends
-- as well.
-- A part that the server refuses keeps the others from nothing, and is answered when they are done.
MARK = ARGV[3]
select_lock(KEYS[1], ARGV[1])
local tombstone, place, entry = tonumber(ARGV[2]), nil, nil
local drawn = redis.pcall('ZSCORE', QUEUE, id)
-- It takes the place of the request in the queue.
local done, refusal = true, nil
if tombstone > 0 then
  done, refusal = pcall(add_tombstone, tombstone)
end
-- A tombstone of before stays.
if type(drawn) ~= 'string' or tonumber(drawn) >= 0 then
  place = (tombstone == 0 or not done) and redis.pcall('ZREM', QUEUE, id)
  entry = redis.pcall('HDEL', WAITERS, id)
end
local value = read(HOLD)
local held = is_hold(value, id, ARGV[4]) and 1 or 0
if is_hold(value, id) then
  end_hold(value, ARGV[5])
end
if not done then
  error(refusal, 0)
end
return refused('ZREM', place) or refused('HDEL', entry) or held
