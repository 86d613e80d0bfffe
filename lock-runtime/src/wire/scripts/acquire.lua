-- Turns a lock that is free, and that nobody queues for, into a hold. This is the whole of an
-- uncontended acquire, so it is kept to three commands and reads nothing that only
-- acquire_contended.lua needs.
-- KEYS: hold, tokens. The name of the queue is made here, which is faster than reading it.
-- ARGV: floor, block, ttl ms, head, tail, rest, mark
--   block   how many tokens to reserve; the hold may be handed off within its process under those
--     after the first
--   head    the value of the hold from behind 'dl1-' up to its token: request id, when it was made
--   tail    the value from behind the block: inbox, description
--   rest    one word for acquire_contended.lua
--   mark    the field of the tokens from which this master draws; grant.lua explains it
-- Answers the first token of a whole block, or an array that acquire_contended.lua documents.
local HOLD, count = KEYS[1], ARGV[2] + 0
if count <= 16 and redis.call('EXISTS', HOLD, HOLD .. ':queue') == 0 then
  local last = redis.pcall('HINCRBY', KEYS[2], ARGV[7], ARGV[2])
  local fence = type(last) == 'number' and last - count + 1
  if fence and fence > 1e15 and fence > ARGV[1] + 0 then
    local value = 'dl1-' .. ARGV[4] .. string.format('%d ', fence) .. ARGV[2] .. ' ' .. ARGV[5]
    if redis.pcall('SET', HOLD, value, 'PX', ARGV[3]).ok then
      return fence
    end
  elseif fence and redis.call('HINCRBY', KEYS[2], ARGV[7], -count) == 0 then
    -- A counter that was not there stays absent: open.lua, or acquire_contended.lua, must see the
    -- failover or the data loss.
    redis.call('HDEL', KEYS[2], ARGV[7])
  end
end
