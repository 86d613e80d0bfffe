-- What acquire_contended, release_contended and cancel share. All of them have
-- KEYS: hold of each lock, then fence   ARGV: floor, grace ms, ...
--   hold       string 'dl1' + ('w' if requests may wait, else '-') + request id, fence, block,
--     inbox, description
--   queue      sorted set of the waiters' request ids by ticket
--   waiters    hash request id -> 'lease deadline in server us, claim ms, block, inbox,
--     description'
--   cancelled  sorted set of request ids whose acquire may still arrive and must be refused, by the
--     server us until which
--   fence      the counter of this server; while a loss of data is waited out
--              'wait:<when it was noticed, us>:<longest lease of before, ms>:<highest token known>'
--   grace      how long the longest lease may be that any process was granted, as far as the client
--     knows; below zero if the client does not wait until it is over
local FENCE = KEYS[#KEYS]
local min_fence, grace, now = tonumber(ARGV[1]), tonumber(ARGV[2]), clock()

-- The keys of the lock, and the request, that everything below is about.
local HOLD, QUEUE, WAITERS, CANCELLED, id
local function select_lock(key, request)
  HOLD, QUEUE, WAITERS, CANCELLED = key, key .. ':queue', key .. ':waiters', key .. ':cancelled'
  id = request
end

-- The error to answer if this is one; it names the command, which servers before 7.2 do not.
local function refused(command, reply)
  local words = type(reply) == 'table' and reply.err
  if words and (string.find(words, "can't run this command") or string.find(words, 'NOPERM')) then
    return redis.error_reply(
      "NOPERM the user may not run '" .. command .. "' on the keys of a lock")
  end
  return words and reply or nil
end

-- A block of this many tokens at most: large ones are drawn for locks whose process hands them
-- on quickly, and must not carry the counter far ahead of the clock, from which it starts again
-- after a loss of data.
local SMALL_RANGE, AHEAD_US = 16, 1000000
local function draw(count)
  local last = redis.pcall('INCRBY', FENCE, count)
  if type(last) == 'number' and count > SMALL_RANGE and last > now + AHEAD_US then
    last, count = redis.call('DECRBY', FENCE, count - SMALL_RANGE), SMALL_RANGE
  end
  return last, count
end

-- The first of the next fencing tokens and how many they are; or nil and the instant until which
-- none is issued; or nil, nil and the server's error. A counter that is missing or behind what a
-- client has seen means that the server lost data, and with it holds that are still valid in their
-- processes: no token is issued until the longest of those is over (Redlock's delayed restart). How
-- long that takes is the largest bound that any client brings before that.
local function next_fences(wanted)
  local last, count = draw(wanted)
  local loss, bound, issued
  if type(last) == 'number' then
    local fence = last - count + 1
    if fence > min_fence and fence > 1e15 then
      return fence, count
    end
    loss, bound, issued = now, 0, fence - 1
  else
    local text = redis.pcall('GET', FENCE)
    if type(text) == 'string' then
      loss, bound, issued = string.match(text, '^wait:(%d+):(%d+):(%d+)$')
    end
    if not loss then
      return nil, nil, last
    end
    -- A clock that was set back shows a loss that is yet to come.
    loss, bound, issued = math.min(tonumber(loss), now), tonumber(bound), tonumber(issued)
  end
  bound, issued = math.max(bound, math.abs(grace)), math.max(issued, min_fence)
  local until_us, fence = loss + bound * 1000, nil
  if now >= until_us or grace < 0 then
    count = math.min(wanted, SMALL_RANGE)
    fence = math.max(now, issued + 1)
    issued = fence + count - 1
  end
  -- A client that does not wait leaves it to the others to do so.
  local wait = now < until_us and string.format('wait:%.0f:%.0f:', loss, bound) or ''
  redis.call('SET', FENCE, wait .. string.format('%.0f', issued))
  if fence then
    return fence, count
  end
  return nil, until_us
end

-- The second word of a description is when it was asked for; here it is added when it was granted.
local function put_hold(flag, who, fence, count, inbox, description, ttl)
  description = string.gsub(description, '^%d+ %d+', string.format('%%0/%.0f', now / 1000), 1)
  local head = string.format('dl1%s%s %.0f %d %s ', flag, who, fence, count, inbox)
  redis.call('SET', HOLD, head .. description, 'PX', ttl)
end

local function leave_queue(...)
  redis.call('ZREM', QUEUE, ...)
  redis.call('HDEL', WAITERS, ...)
end

-- As many entries are read or removed by one command.
local READ_AT_ONCE = 100

-- Whether an acquire of this request is to be refused.
local function is_cancelled(who)
  local until_us = redis.call('ZSCORE', CANCELLED, who)
  return until_us and tonumber(until_us) >= now
end

-- Has acquires of this request refused for so many ms. Tombstones that are over go, some at a
-- time: the key itself lives as long as requests add to it. The first PEXPIRE is there to be
-- refused before anything is written that would not expire.
local function add_tombstone(who, ms)
  redis.call('PEXPIRE', CANCELLED, ms)
  local before = string.format('(%.0f', now)
  local over =
    redis.call('ZRANGE', CANCELLED, '-inf', before, 'BYSCORE', 'LIMIT', 0, READ_AT_ONCE)
  if #over > 0 then
    redis.call('ZREM', CANCELLED, unpack(over))
  end
  redis.call('ZADD', CANCELLED, string.format('%.0f', now + ms * 1000), who)
  redis.call('PEXPIRE', CANCELLED, ms)
end

-- How much one script removes from the queue: so many dead waiters, or a twentieth as many that
-- have to be sent a grant before it is known that nobody listens. The rest is left to the next
-- request: other clients wait for a millisecond at most.
local WORK, UNREACHABLE = 200, 20
local work = WORK
-- Inboxes that nobody listens to, as far as this script knows. Their waiters count as dead.
local unreachable = {}

-- The first waiter whose lease is live, with its entry; dead ones before it are removed. nil if
-- there is none, false if the work of this script is done before one was found.
local function first_waiter()
  local many = 1
  while work > 0 do
    local heads = redis.call('ZRANGE', QUEUE, 0, many - 1)
    if #heads == 0 then
      return nil
    end
    local entries = redis.call('HMGET', WAITERS, unpack(heads))
    local dead = {}
    for i, head in ipairs(heads) do
      local deadline, claim, count, inbox, description
      if entries[i] then
        deadline, claim, count, inbox, description =
          string.match(entries[i], '^(%d+) (%d+) (%d+) (%S+) (.*)$')
      end
      if deadline and tonumber(deadline) >= now and (head == id or not unreachable[inbox]) then
        if #dead > 0 then
          leave_queue(unpack(dead))
        end
        return head, claim, tonumber(count), inbox, description
      end
      dead[#dead + 1] = head
      work = work - 1
    end
    leave_queue(unpack(dead))
    many = math.min(READ_AT_ONCE, work)
  end
  return false
end

-- Whether a subscriber received this. A missing right means only that no process can be notified:
-- by then the script has written what must not be left half-done.
local function publish(inbox, text)
  local heard = redis.pcall('PUBLISH', inbox, text)
  return type(heard) == 'number' and heard > 0
end

-- A hold that lasts shorter than this is over before those behind it next hear of it.
local SHORT_HOLD = 600

-- Has the first waiter behind a hold that lasts so many ms acquire when it is over. What fails here
-- fails alone.
local function announce(ms)
  if tonumber(ms) >= SHORT_HOLD then
    return
  end
  pcall(function()
    local head, _, _, inbox = first_waiter()
    if head and head ~= id then
      publish(inbox, string.format('first %s %d', head, ms))
    end
  end)
end

-- Grants the hold to the first live waiter that can be notified, with new fencing tokens and the
-- short claim as its TTL. It stops before `id` itself, which is asking and needs no message.
-- Answers
--   'away'   another waiter has it
--   'first'  no live waiter is ahead of `id`
--   'later'  the work limit of this script is reached, and the next request continues
--   nil      no token could be drawn; the answer of next_fences follows
local function grant_next()
  while true do
    local head, claim, wanted, inbox, description = first_waiter()
    if head == false then
      return 'later'
    end
    if not head or head == id then
      return 'first'
    end
    local fence, count, refusal = next_fences(wanted)
    if not fence then
      return nil, count, refusal
    end
    leave_queue(head)
    put_hold('w', head, fence, count, inbox, description, claim)
    if publish(inbox, string.format('granted %s %.0f %d', head, fence, count)) then
      announce(claim)
      return 'away'
    end
    redis.call('DEL', HOLD)
    unreachable[inbox] = true
    work = work - UNREACHABLE
  end
end

-- Ends the hold of `id`, whose value this is: to the next waiter, or free. The DEL comes first
-- because a full server refuses INCR and SET unless the script has written before. What fails after
-- it is no failure of this release: the waiters ask for themselves, and hear why.
local function end_hold(value)
  redis.call('DEL', HOLD)
  if string.sub(value, 4, 4) == 'w' then
    pcall(grant_next)
  end
  return 1
end
