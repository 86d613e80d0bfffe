-- The contended acquire: turns a nonce into a hold or into a queue entry with its own short lease. It is
-- also the waiter's question "is it my turn?", and asking again with the same nonce changes nothing.
-- Answers the fencing token, or {code, ms, position, ticket, holder}:
--   0 waiting (or busy, when not queued), ms = what is left of the holder's TTL, -1 if it has none
--   1 the hold key is foreign       2 this nonce was cancelled       3 waiting out a loss of data, ms left
local ttl = tonumber(ARGV[4])
local description, lease, claim, inbox, ticket = ARGV[5], tonumber(ARGV[6]), ARGV[7], ARGV[8], ARGV[9]

if redis.call('EXISTS', CANCELLED) == 1 and redis.call('SISMEMBER', CANCELLED, nonce) == 1 then
  return {2, 0, 0, '0', ''}
end

local function grant_here()
  local fence, until_us, refusal = next_fence()
  if fence then
    local flag = redis.call('EXISTS', QUEUE) == 1 and 'w' or '-'
    redis.call('SET', HOLD, string.format('dl1%s%s %.0f ', flag, nonce, fence) .. description, 'PX', ttl)
  end
  return fence, until_us, refusal
end

-- Why no token could be drawn: in the server's words (OOM, READONLY, ...) unless the key is not a counter.
local function explain(refusal)
  if string.find(refusal.err, 'WRONGTYPE') or string.find(refusal.err, 'not an integer') then
    return redis.error_reply('ERR distlock: the fence key holds a foreign value')
  end
  return refusal
end

local value, ours = read_hold()
local quarantined_until = nil
if value and ours and belongs_to(value, nonce) then
  -- Never shorter: a late duplicate may carry a ttl from before a nested call asked for a longer one.
  if redis.call('PTTL', HOLD) < ttl then
    redis.call('PEXPIRE', HOLD, ttl)
  end
  return tonumber(string.match(value, '^%S+ (%d+) '))
end
-- A place drawn before is kept, even if the reply that named it was lost.
local drawn = redis.call('ZSCORE', QUEUE, nonce)
if drawn then
  ticket = string.format('%.0f', tonumber(drawn))
end
if not value then
  local granted, refusal
  granted, quarantined_until, refusal = grant_next()
  if granted then
    value, ours = read_hold()
  elseif not quarantined_until and not refusal then
    if drawn then
      leave_queue(nonce)
    end
    local fence
    fence, quarantined_until, refusal = grant_here()
    if fence then
      return fence
    end
  end
  if refusal then
    return explain(refusal)
  end
end

local position = 0
if lease > 0 then
  if ticket == '0' then
    local number = redis.pcall('INCR', FENCE)
    ticket = string.format('%.0f', type(number) == 'number' and number or now)
  end
  redis.call('ZADD', QUEUE, ticket, nonce)
  local deadline = string.format('%.0f', now + lease * 1000)
  redis.call('HSET', WAITERS, nonce, deadline .. ' ' .. claim .. ' ' .. inbox .. ' ' .. description)
  redis.call('PEXPIRE', QUEUE, lease * 2)
  redis.call('PEXPIRE', WAITERS, lease * 2)
  if value and ours then
    redis.call('SETRANGE', HOLD, 3, 'w')
  end
  position = redis.call('ZRANK', QUEUE, nonce)
else
  position = redis.call('EXISTS', QUEUE) == 1 and redis.call('ZCARD', QUEUE) or 0
end

if quarantined_until then
  return {3, math.ceil((quarantined_until - now) / 1000), position, ticket, ''}
end
if not ours then
  return {1, redis.call('PTTL', HOLD), position, ticket, ''}
end
return {0, value and redis.call('PTTL', HOLD) or 0, position, ticket, value or ''}
