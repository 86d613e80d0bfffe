-- Turns a free lock that nobody queues for into a hold of this request, with the next fencing
-- tokens. This is the whole of an uncontended acquire, so it is kept to three commands: one EXISTS
-- over the hold, the queue and the tombstones, one INCRBY of the fence, one SET. Everything else is
-- acquire.lua.
-- KEYS: hold, queue, waiters, cancelled, fence
-- ARGV: request id, floor, grace ms, ttl ms, description, inbox, block, waiter lease ms (0: do
-- not queue), claim ms, ticket
--   block is how many tokens to reserve; the hold may be handed off within its process under those
--     after the first
-- Answers the first fencing token of a whole block, or an array that acquire.lua documents.
local ttl, count = tonumber(ARGV[4]), tonumber(ARGV[7])
if not ttl or ttl <= 0 then
  return redis.error_reply('ERR distlock: the ttl must be above zero')
end
if count <= 16 and redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[4]) == 0 then
  local last = redis.pcall('INCRBY', KEYS[5], count)
  if type(last) == 'number' then
    local fence = last - count + 1
    if fence > tonumber(ARGV[2]) and fence > 1e15 then
      local head = string.format('dl1-%s %.0f %d %s ', ARGV[1], fence, count, ARGV[6])
      redis.call('SET', KEYS[1], head .. ARGV[5], 'PX', ttl)
      return fence
    end
    -- acquire.lua draws these numbers again and decides what they mean.
    redis.call('DECRBY', KEYS[5], count)
  end
end
