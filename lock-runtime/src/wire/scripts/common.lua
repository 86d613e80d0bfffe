-- What acquire, release and cancel share. All of them take
-- KEYS: hold, queue, waiters, cancelled, fence   ARGV: nonce, floor, quarantine ms, ...
--   hold       string 'dl1' + ('w' if somebody may be queued, else '-') + nonce, fence, block, inbox, description
--   queue      sorted set of the waiters' nonces by ticket
--   waiters    hash nonce -> 'lease deadline in server us, claim ms, block, inbox, description'
--   cancelled  set of nonces whose acquire may still arrive and must be refused
--   fence      the counter of this server, or 'wait:<us>' while a loss of data is waited out
local HOLD, QUEUE, WAITERS, CANCELLED, FENCE = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local nonce, floor, quarantine = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function server_time()
  local t = redis.call('TIME')
  return tonumber(t[1]) * 1000000 + tonumber(t[2])
end
local now = server_time()

-- The value of the hold key and whether it is one of ours. A foreign value or type counts as a holder.
local function read_hold()
  local value = redis.pcall('GET', HOLD)
  if not value then
    return nil, true
  end
  if type(value) == 'string' and string.sub(value, 1, 3) == 'dl1' then
    return value, true
  end
  return '', false
end

local function belongs_to(value, who)
  return string.sub(value, 5, 36) == who
end

-- A block of this many tokens at the most: large ones are drawn for locks whose process hands them on quickly, and
-- must not carry the counter far ahead of the clock, from which it starts again after a loss of data.
local SMALL_BLOCK, AHEAD_US = 16, 1000000
local function draw(block)
  local last = redis.pcall('INCRBY', FENCE, block)
  if type(last) == 'number' and block > SMALL_BLOCK and last > now + AHEAD_US then
    last, block = redis.call('DECRBY', FENCE, block - SMALL_BLOCK), SMALL_BLOCK
  end
  return last, block
end

-- The first of the next fencing tokens and how many they are; or nil and the instant until which none is issued;
-- or nil, nil and the server's error. A counter that is missing or behind what a client has seen means that the server lost data, and with
-- it holds that are still valid in their processes: no token is issued until the longest of those is over
-- (Redlock's delayed restart).
local function next_fences(wanted)
  local last, block = draw(wanted)
  local until_us = nil
  if type(last) == 'number' then
    local fence = last - block + 1
    if fence > floor and fence > 1e15 then
      return fence, block
    end
    until_us = now + quarantine * 1000
  else
    local text = redis.pcall('GET', FENCE)
    until_us = type(text) == 'string' and tonumber(string.match(text, '^wait:(%d+)$'))
    if not until_us then
      return nil, nil, last
    end
    -- Not the asking client's quarantine: one that waits less must not cut short what others decided. The bound
    -- is for a server's clock that was set back.
    until_us = math.min(until_us, now + math.max(quarantine * 1000, 3600000000))
  end
  if now < until_us then
    redis.call('SET', FENCE, string.format('wait:%.0f', until_us))
    return nil, until_us
  end
  block = math.min(wanted, SMALL_BLOCK)
  local fence = math.max(now, floor + 1)
  redis.call('SET', FENCE, string.format('%.0f', fence + block - 1))
  return fence, block
end

local function put_hold(flag, who, fence, block, inbox, description, ttl)
  local head = string.format('dl1%s%s %.0f %d %s ', flag, who, fence, block, inbox)
  redis.call('SET', HOLD, head .. description, 'PX', ttl)
end

local function leave_queue(who)
  redis.call('ZREM', QUEUE, who)
  redis.call('HDEL', WAITERS, who)
end

-- The first waiter whose lease is live, with its entry; dead ones before it are removed.
local function first_waiter()
  while true do
    local head = redis.call('ZRANGE', QUEUE, 0, 0)[1]
    if not head then
      return nil
    end
    local entry = redis.call('HGET', WAITERS, head)
    local deadline, claim, block, inbox, description
    if entry then
      deadline, claim, block, inbox, description = string.match(entry, '^(%d+) (%d+) (%d+) (%S+) (.*)$')
    end
    if deadline and tonumber(deadline) >= now then
      return head, claim, tonumber(block), inbox, description
    end
    leave_queue(head)
  end
end

-- Gives the hold to the first live waiter that can be told, with new fencing tokens and the short claim
-- as its TTL. Stops short of `nonce` itself, which is asking and need not be told. Answers whether there was
-- such a waiter; false for want of a token brings the rest of what next_fences answered.
local function grant_next()
  while true do
    local head, claim, wanted, inbox, description = first_waiter()
    if not head or head == nonce then
      return false
    end
    local fence, block, refusal = next_fences(wanted)
    if not fence then
      return false, block, refusal
    end
    leave_queue(head)
    put_hold('w', head, fence, block, inbox, description, claim)
    if redis.call('PUBLISH', inbox, string.format('granted %s %.0f %d', head, fence, block)) > 0 then
      return true
    end
    redis.call('DEL', HOLD)
  end
end

-- Ends the hold of `nonce`, whose value this is: to the next waiter, or free. The DEL comes first because a
-- full server refuses INCR and SET unless the script has written before.
local function end_hold(value)
  redis.call('DEL', HOLD)
  if string.sub(value, 4, 4) == 'w' then
    grant_next()
  end
end
