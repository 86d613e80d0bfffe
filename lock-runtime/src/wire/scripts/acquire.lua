-- Turns a lock that is free, and that nobody queues for, into a hold. This is the whole of an
-- uncontended acquire, so it is kept to three commands and reads nothing that only
-- acquire_contended.lua needs.
-- KEYS: hold, fence. The name of the queue is made here, which is faster than reading it.
-- ARGV: floor, block, ttl ms, head, tail, rest
--   block   how many tokens to reserve; the hold may be handed off within its process under those
--     after the first
--   head    the value of the hold up to its token: 'dl1-' + request id, when it was made
--   tail    the value from behind the token: block, inbox, description
--   rest    one word for acquire_contended.lua
-- Answers the first token of a whole block, or an array that acquire_contended.lua documents.
local HOLD, count = KEYS[1], ARGV[2] + 0
if count <= 16 and redis.call('EXISTS', HOLD, HOLD .. ':queue') == 0 then
  local last = redis.pcall('INCRBY', KEYS[2], ARGV[2])
  local fence = type(last) == 'number' and last - count + 1
  if fence and fence > 1e15 and fence > ARGV[1] + 0 then
    local value = ARGV[4] .. string.format('%d', fence) .. ARGV[5]
    if redis.pcall('SET', HOLD, value, 'PX', ARGV[3]).ok then
      return fence
    end
  elseif fence and redis.call('DECRBY', KEYS[2], ARGV[2]) == 0 then
    -- A counter that was not there stays absent: the process that creates it, or
    -- acquire_contended.lua, must see the data loss.
    redis.call('DEL', KEYS[2])
  end
end
