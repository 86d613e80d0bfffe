-- What acquire_contended, release_contended, release_many and cancel share.
--   hold     string 'dl1' + ('w' if requests may wait, else '-') + request id, when it was made and
--     '/' when it was granted unless that was at once, first fencing token, block, inbox,
--     description; with zeros for the request id it was released, and its key stays taken
--   queue    sorted set of request ids: by ticket those that wait; below zero, by the server us
--     until which they are refused, those whose acquire may still arrive (tombstones)
--   waiters  hash request id -> 'lease deadline in server us, claim ms, when it was made, block,
--     inbox, description'; its TTL is that of the leases alone, so that it expires soon where the
--     queue was deleted or evicted
--   tokens   hash that counts fencing tokens. A field is named after the master that draws from it,
--     by its mark: each promotion and each restart of a server makes a new one, so the first draw
--     on such a server finds that its field is missing. The hash has one of two states:
--       open     <mark>: the last token drawn
--       waiting  w: '<mark> <kind> <since when, us> <how long, ms>', c: the highest token known,
--         b: '<mark> <last token>' of the master that drew before, if there was one. With '-' for
--         the mark no master may draw before it has opened the tokens.
--     Nothing is drawn while it waits. The kind says what for: FAILOVER, in which holders may put
--     back holds that the new master does not know (reclaim.lua), or LOSS of data, in which the
--     longest lease of before may last for so long.
local now = clock()

-- The keys of the lock, and the request, that everything below is about.
local HOLD, QUEUE, WAITERS, id
local function select_lock(key, request)
  HOLD, QUEUE, WAITERS, id = key, key .. ':queue', key .. ':waiters', request
end

-- The counter of tokens; the mark of this master; the highest token that the client knows of; and
-- how long the longest lease may be that any process was granted, as far as the client knows, below
-- zero if the client does not wait until it is over. A release has no such bound: it issues tokens
-- above those of the hold that it ends, and leaves a counter alone that is not above them.
local FENCE, MARK, min_fence, grace

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
local SMALL_RANGE = 16
local function draw(count)
  local last = redis.pcall('HINCRBY', FENCE, MARK, count)
  if type(last) == 'number' and count > SMALL_RANGE and last > now + AHEAD_US then
    last, count = redis.call('HINCRBY', FENCE, MARK, SMALL_RANGE - count), SMALL_RANGE
  end
  return last, count
end

-- Takes so many tokens back. A field that was not there is none again.
local function undo(count)
  if redis.call('HINCRBY', FENCE, MARK, -count) == 0 then
    redis.call('HDEL', FENCE, MARK)
  end
end

-- The first of the next fencing tokens and how many they are; or nil, the instant until which none
-- is issued, and why; or nil, nil and the error. A counter that is missing or behind what a client
-- has seen means that the server lost data, and with it holds that are still valid in their
-- processes: no token is issued until the longest of those is over (Redlock's delayed restart). How
-- long that takes is the largest bound that any client brings before that. How long a failover is
-- waited out is up to those who connect, by open.lua.
local function next_fences(wanted)
  local last, count = draw(wanted)
  if type(last) ~= 'number' then
    return nil, nil, last
  end
  local fence = last - count + 1
  if fence > min_fence and fence > 1e15 then
    return fence, count
  end
  undo(count)
  if not grace then
    return nil
  end
  local behind, waits, issued, drawn = unpack(redis.call('HMGET', FENCE, MARK, 'w', 'c', 'b'))
  local kind, since, bound, first = LOSS, now, 0, now
  if behind then
    issued = behind
  elseif redis.call('EXISTS', FENCE) == 1 then
    kind, since, bound = waits_for(waits, MARK)
    if not kind then
      return nil, nil, redis.error_reply('UNOPENED this connection was made to another primary')
    end
  else
    first = start(now)
  end
  -- A clock that was set back shows a loss that is yet to come.
  since, issued = math.min(since, now), math.max(tonumber(issued or 0), min_fence)
  bound = kind == LOSS and math.max(bound, math.abs(grace)) or bound
  local until_us, over = since + bound * 1000, nil
  over, fence = now >= until_us, nil
  if over or kind == LOSS and grace < 0 then
    count = math.min(wanted, SMALL_RANGE)
    fence = math.max(first, issued + 1)
    issued = fence + count - 1
  end
  local fields = redis.call('HGETALL', FENCE)
  if over then
    replace_tokens(FENCE, fields, MARK, string.format('%d', issued))
  else
    -- A client that does not wait leaves it to the others to do so.
    wait_for(FENCE, fields, MARK, kind, since, bound, issued, drawn)
  end
  if fence then
    return fence, count
  end
  return nil, until_us, kind
end

local function put_hold(flag, who, since, fence, count, rest, ttl)
  local value = string.format('dl1%s%s %s/%d %d %d', flag, who, since, now / 1000, fence, count)
  redis.call('SET', HOLD, value .. rest, 'PX', ttl)
end

local function leave_queue(...)
  redis.call('ZREM', QUEUE, ...)
  redis.call('HDEL', WAITERS, ...)
end

-- As many entries are read or removed by one command.
local READ_AT_ONCE = 100

-- Has acquires of `id` refused for so many ms. Tombstones that are over go, some at a time: the key
-- itself lives as long as requests add to it. The first PEXPIRE is there to be refused before
-- anything is written that would not expire.
local function add_tombstone(ms)
  local keep = math.max(redis.call('PTTL', QUEUE), ms)
  redis.call('PEXPIRE', QUEUE, keep)
  local since = string.format('(-%d', now)
  local over = redis.call('ZRANGE', QUEUE, since, '(0', 'BYSCORE', 'LIMIT', 0, READ_AT_ONCE)
  if #over > 0 then
    redis.call('ZREM', QUEUE, unpack(over))
  end
  redis.call('ZADD', QUEUE, string.format('-%d', now + ms * 1000), id)
  redis.call('PEXPIRE', QUEUE, keep)
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
    local heads = redis.call('ZRANGE', QUEUE, 0, '+inf', 'BYSCORE', 'LIMIT', 0, many)
    if #heads == 0 then
      return nil
    end
    local entries = redis.call('HMGET', WAITERS, unpack(heads))
    local dead = {}
    for i, head in ipairs(heads) do
      local deadline, claim, since, count, rest, inbox
      if entries[i] then
        deadline, claim, since, count, rest, inbox =
          string.match(entries[i], '^(%d+) (%d+) (%d+) (%d+)( (%S+) .*)$')
      end
      if deadline and tonumber(deadline) >= now and (head == id or not unreachable[inbox]) then
        if #dead > 0 then
          leave_queue(unpack(dead))
        end
        return head, inbox, claim, since, tonumber(count), rest
      end
      dead[#dead + 1] = head
      work = work - 1
    end
    leave_queue(unpack(dead))
    many = math.min(READ_AT_ONCE, work)
  end
  return false
end

-- Whether a process listens to this inbox. Asked before a grant is published: what PUBLISH counts
-- proves nothing, as a subscriber of a replica gets the message and is not counted. A missing right
-- means only that no process can be notified.
local function listens(inbox)
  return (redis.pcall('PUBSUB', 'NUMSUB', inbox)[2] or 0) > 0
end

-- Sends a message; whether the server does that. A missing right fails nothing else: by then the
-- script has written what must not be left half-done.
local function publish(inbox, text)
  local heard = redis.pcall('PUBLISH', inbox, text)
  return type(heard) == 'number'
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
    local head, inbox = first_waiter()
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
    local head, inbox, claim, since, wanted, rest = first_waiter()
    if head == false then
      return 'later'
    end
    if not head or head == id then
      return 'first'
    end
    if listens(inbox) then
      local fence, count, reason = next_fences(wanted)
      if not fence then
        return nil, count, reason
      end
      leave_queue(head)
      put_hold('w', head, since, fence, count, rest, claim)
      if publish(inbox, string.format('granted %s %d %d', head, fence, count)) then
        announce(claim)
        return 'away'
      end
      redis.call('DEL', HOLD)
    else
      leave_queue(head)
    end
    unreachable[inbox] = true
    work = work - UNREACHABLE
  end
end

-- Has the key stay taken for so many ms although its hold was released. It is no request's any
-- more, so that nobody renews or releases it. Those that wait hear of its end as of that of a hold.
-- The PEXPIRE comes first because a full server refuses SETRANGE unless the script has written
-- before.
local function keep_hold(ms)
  redis.call('PEXPIRE', HOLD, ms)
  redis.call('SETRANGE', HOLD, 4, string.rep('0', 32))
  announce(ms)
  return 1
end

-- Ends the hold of `id`, whose value this is: to the next waiter, or free; or if its key stays
-- taken for some time, when that is over. That no grant can be made is no failure of this release:
-- the first waiter asks for itself at once, and hears why. The first HDEL removes nothing: a full
-- server refuses HINCRBY and SET unless the script has written before. The counter is that of the
-- inbox of the hold: both have the prefix of the lock.
local function end_hold(value, keep)
  if keep then
    return keep_hold(keep)
  end
  local done, outcome = true, 'first'
  if string.sub(value, 4, 4) == 'w' then
    done, outcome = pcall(function()
      local fence, count, prefix = string.match(value, '^%S+ %S+ (%d+) (%d+) (%S*)inbox:')
      FENCE, min_fence = prefix .. 'tokens', fence + count - 1
      redis.call('HDEL', FENCE, '')
      return grant_next()
    end)
  end
  if outcome ~= 'away' then
    redis.call('DEL', HOLD)
  end
  if done and not outcome then
    announce(0)
  end
  return 1
end
