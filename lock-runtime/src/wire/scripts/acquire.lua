-- The contended acquire: turns a request id into a hold or into a queue entry with its own short
-- lease. It is also the waiter's question "is it my turn?", and asking again with the same request
-- id changes nothing.
-- Answers {4, first fencing token, how many tokens, 1 if somebody may be queued else 0} for the
-- hold, or {code, ms, position, ticket, holder}:
--   0 waiting (or busy, when not queued), ms = what is left of the holder's TTL, -1 if it has none;
--     0 without a holder: ask again at once. The holder is '' if that is another kind of client.
--   1 the hold key can be no lock       2 this request was cancelled       3 waiting out a loss
--     of data, ms left
local ttl = tonumber(ARGV[4])
local description, inbox, count = ARGV[5], ARGV[6], tonumber(ARGV[7])
local lease, claim, ticket = tonumber(ARGV[8]), ARGV[9], ARGV[10]

if is_cancelled(id) then
  return {2, 0, 0, '0', ''}
end

local function granted(value)
  local flag, fence, size = string.match(value, '^dl1(.)%S+ (%d+) (%d+) ')
  return {4, tonumber(fence), tonumber(size), flag == 'w' and 1 or 0}
end

-- What next_fences answers.
local function grant_here()
  local fence, size, refusal = next_fences(count)
  if fence then
    local is_waited_for = redis.call('EXISTS', QUEUE) == 1
    put_hold(is_waited_for and 'w' or '-', id, fence, size, inbox, description, ttl)
    if is_waited_for then
      announce(ttl)
    end
  end
  return fence, size, refusal
end

-- The holder learns of the first who queues behind it: it hands the lock on within its process no
-- longer than it may, and gives up one that it keeps for later. A push may be lost; a renewal says
-- the same.
local function tell_holder(value)
  if string.sub(value, 4, 4) == '-' then
    local flagged = redis.pcall('SETRANGE', HOLD, 3, 'w')
    local holder, its_inbox = string.match(value, '^dl1.(%S+) %d+ %d+ (%S+) ')
    publish(its_inbox, 'asked ' .. holder)
    return refused('SETRANGE', flagged)
  end
end

-- Puts the request into the queue, and answers its place. Where a part of that is refused none is
-- left, as the caller hears of the refusal and does not ask again: answers nil and the error.
local function enqueue(value)
  local deadline = string.format('%.0f', now + lease * 1000)
  local entry = table.concat({deadline, claim, ARGV[7], inbox, description}, ' ')
  -- Never shorter: another process may have the longer leases of many waiters here.
  local keep = math.max(redis.call('PTTL', QUEUE), lease * 2)
  local refusal = refused('ZADD', redis.pcall('ZADD', QUEUE, ticket, id))
    or refused('HSET', redis.pcall('HSET', WAITERS, id, entry))
    or refused('PEXPIRE', redis.pcall('PEXPIRE', QUEUE, keep))
    or refused('PEXPIRE', redis.pcall('PEXPIRE', WAITERS, keep))
    or value and tell_holder(value)
  local rank = redis.pcall('ZRANK', QUEUE, id)
  refusal = refusal or refused('ZRANK', rank)
  if refusal then
    redis.pcall('ZREM', QUEUE, id)
    redis.pcall('HDEL', WAITERS, id)
    return nil, refusal
  end
  return rank
end

-- Why no token could be drawn: the server's text (OOM, READONLY, ...) unless the key is not a
-- counter.
local function explain(refusal)
  if string.find(refusal.err, 'WRONGTYPE') or string.find(refusal.err, 'not an integer') then
    return redis.error_reply('ERR distlock: the fence key holds a foreign value')
  end
  return refused('INCRBY', refusal)
end

local value, ours = read_hold()
local quarantined_until = nil
if value and ours and belongs_to(value, id) then
  -- Never shorter: a late duplicate may carry a ttl from before a nested call asked for a longer
  -- one.
  if redis.call('PTTL', HOLD) < ttl then
    redis.call('PEXPIRE', HOLD, ttl)
  end
  return granted(value)
end
-- A place drawn before is kept, even if the reply that named it was lost.
local drawn = redis.call('ZSCORE', QUEUE, id)
if drawn then
  ticket = string.format('%.0f', tonumber(drawn))
end
if not value then
  local outcome, refusal
  outcome, quarantined_until, refusal = grant_next()
  if outcome == 'away' then
    value, ours = read_hold()
  elseif outcome == 'first' then
    if drawn then
      leave_queue(id)
    end
    local fence
    fence, quarantined_until, refusal = grant_here()
    if fence then
      return granted(redis.call('GET', HOLD))
    end
  end
  if refusal then
    return explain(refusal)
  end
end

-- Read before the request is queued: what is refused after that would leave it there.
local left = value and redis.call('PTTL', HOLD) or 0
local position = 0
if lease > 0 then
  if ticket == '0' then
    local number = redis.pcall('INCR', FENCE)
    ticket = string.format('%.0f', type(number) == 'number' and number or now)
  end
  local refusal
  position, refusal = enqueue(ours and value)
  if refusal then
    return refusal
  end
else
  position = redis.call('ZCARD', QUEUE)
end

if quarantined_until then
  return {3, math.ceil((quarantined_until - now) / 1000), position, ticket, ''}
end
if not ours then
  -- A text that expires is the lock of another kind of client.
  local is_lock = type(value) == 'string' and left >= 0
  return {is_lock and 0 or 1, left, position, ticket, ''}
end
return {0, left, position, ticket, value or ''}
