-- The contended acquire: turns a request id into a hold or into a queue entry with its own short
-- lease. It is also the waiter's question "is it my turn?", and asking again with the same request
-- id changes nothing.
-- Answers {4, first fencing token, how many tokens, 1 if a request may be queued else 0} for the
-- hold, or {code, ms, position, ticket, holder}:
--   0 waiting (or busy, when not queued), ms = what is left of the holder's TTL, -1 if it has none;
--     0 without a holder: ask again at once. The holder is '' if that is another kind of client.
--   1 the hold key can be no lock       2 this request was cancelled       3 waiting out a loss
--     of data, ms left                  5 waiting out a failover, ms left
local ttl, tail = tonumber(ARGV[3]), ' ' .. ARGV[2] .. ' ' .. ARGV[5]
local lease, ticket
-- The rest: grace as in grant.lua, waiter lease ms (0: do not queue), ticket or 0.
grace, lease, ticket = string.match(ARGV[6], '^(%S+) (%d+) (%d+)$')
FENCE, MARK, min_fence = KEYS[2], ARGV[7], tonumber(ARGV[1])
grace, lease = tonumber(grace), tonumber(lease)
select_lock(KEYS[1], string.sub(ARGV[4], 1, 32))
local since = string.match(ARGV[4], ' (%d+) $')

if not ttl or ttl <= 0 then
  return redis.error_reply('ERR distlock: the ttl must be above zero')
end
-- How long a grant that is pushed to this request waits to be taken up.
local claim = math.min(ttl, 2000)
-- The place of this request, or below zero until when it is refused.
local drawn = tonumber(redis.call('ZSCORE', QUEUE, id) or nil)
if drawn and drawn < 0 then
  if -drawn >= now then
    return {2, 0, 0, '0', ''}
  end
  drawn = nil
end

-- Puts the request into the queue, and answers its place. Where a part of that is refused none is
-- left, as the caller hears of the refusal and does not ask again: answers nil and the error.
local function enqueue(value)
  local refusal
  local function try(command, ...)
    local reply = not refusal and redis.pcall(command, ...)
    refusal = refusal or refused(command, reply)
    return reply
  end
  local entry = string.format('%d %d %s', now + lease * 1000, claim, since) .. tail
  -- Never shorter: another process may have the longer leases of many waiters here.
  local keep_queue = math.max(redis.call('PTTL', QUEUE), lease * 2)
  local keep_entries = math.max(redis.call('PTTL', WAITERS), lease * 2)
  try('ZADD', QUEUE, ticket, id)
  try('HSET', WAITERS, id, entry)
  try('PEXPIRE', QUEUE, keep_queue)
  try('PEXPIRE', WAITERS, keep_entries)
  -- The holder learns of the first who queues behind it: it hands the lock on within its process no
  -- longer than it may, and gives up one that it keeps for later. A push may be lost; a renewal
  -- says the same.
  if is_hold(value) and string.sub(value, 4, 4) == '-' then
    try('SETRANGE', HOLD, 3, 'w')
    local holder, its_inbox = string.match(value, '^dl1.(%S+) %S+ %d+ %d+ (%S+) ')
    publish(its_inbox, 'asked ' .. holder)
  end
  local before = try('ZCOUNT', QUEUE, 0, '(' .. ticket)
  if refusal then
    redis.pcall('ZREM', QUEUE, id)
    redis.pcall('HDEL', WAITERS, id)
  end
  return before, refusal
end

local value, waits_until, reason = read(HOLD), nil, nil
if is_hold(value, id) then
  -- Never shorter: a late duplicate may carry a ttl from before a nested call asked for a longer
  -- one.
  if redis.call('PTTL', HOLD) < ttl then
    redis.call('PEXPIRE', HOLD, ttl)
  end
  local flag, fence, size = string.match(value, '^dl1(.)%S+ %S+ (%d+) (%d+) ')
  return {4, tonumber(fence), tonumber(size), flag == 'w' and 1 or 0}
end
-- A place drawn before is kept, even if the reply that named it was lost.
if drawn then
  ticket = string.format('%d', drawn)
end
if not value then
  local outcome
  outcome, waits_until, reason = grant_next()
  if outcome == 'away' then
    value = read(HOLD)
  elseif outcome == 'first' then
    if drawn then
      leave_queue(id)
    end
    local fence, size
    fence, size, reason = next_fences(count)
    if fence then
      local waiting = math.min(redis.call('ZCOUNT', QUEUE, 0, '+inf'), 1)
      local rest = string.match(tail, '^ %d+( .*)$')
      put_hold(waiting == 1 and 'w' or '-', id, since, fence, size, rest, ttl)
      if waiting == 1 then
        announce(ttl)
      end
      return {4, fence, size, waiting}
    end
    waits_until = size
  end
  -- Why no token could be drawn: the server's text (OOM, READONLY, ...) unless the key is not a
  -- counter.
  if type(reason) == 'table' then
    if string.find(reason.err, 'WRONGTYPE') or string.find(reason.err, 'not an integer') then
      return redis.error_reply('ERR distlock: the fence key holds a foreign value')
    end
    return refused('HINCRBY', reason)
  end
end

-- Read before the request is queued: what is refused after that would leave it there.
local left = value and redis.call('PTTL', HOLD) or 0
local position = 0
if lease > 0 then
  if ticket == '0' then
    local last, drawn_count = draw(1)
    local sound = type(last) == 'number' and last > 1e15
    if not sound and type(last) == 'number' then
      undo(drawn_count)
    end
    ticket = string.format('%d', sound and last or now)
  end
  local refusal
  position, refusal = enqueue(value)
  if refusal then
    return refusal
  end
else
  position = redis.call('ZCOUNT', QUEUE, 0, '+inf')
end

if waits_until then
  local code = reason == FAILOVER and 5 or 3
  return {code, math.ceil((waits_until - now) / 1000), position, ticket, ''}
end
if value and not is_hold(value) then
  -- A text that expires is the lock of another kind of client.
  local is_lock = type(value) == 'string' and left >= 0
  return {is_lock and 0 or 1, left, position, ticket, ''}
end
return {0, left, position, ticket, value or ''}
