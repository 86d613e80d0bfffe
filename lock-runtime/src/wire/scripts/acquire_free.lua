-- Turns a free lock that nobody queues for into a hold of this nonce, with the next fencing token.
-- This is the whole of an uncontended acquire, so it is kept to three commands: one EXISTS over the hold,
-- the queue and the tombstones, one INCR of the fence, one SET. Everything else is acquire.lua.
-- KEYS: hold, queue, waiters, cancelled, fence
-- ARGV: nonce, floor, quarantine ms, ttl ms, description, waiter lease ms (0: do not queue), claim ms, inbox, ticket
-- Answers the fencing token, or the array that acquire.lua documents.
local ttl = tonumber(ARGV[4])
if not ttl or ttl <= 0 then
  return redis.error_reply('ERR distlock: the ttl must be above zero')
end
if redis.call('EXISTS', KEYS[1], KEYS[2], KEYS[4]) == 0 then
  local fence = redis.pcall('INCR', KEYS[5])
  if type(fence) == 'number' and fence > tonumber(ARGV[2]) and fence > 1e15 then
    redis.call('SET', KEYS[1], string.format('dl1-%s %.0f ', ARGV[1], fence) .. ARGV[5], 'PX', ttl)
    return fence
  end
  if type(fence) == 'number' then
    redis.call('DECR', KEYS[5]) -- acquire.lua draws this number again and judges what it means
  end
end
