-- Prolongs many holds and waiters' leases in one call; what is not there is never made.
-- KEYS: hold of the lock of each entry   ARGV: of each entry
--   first token, request id, ttl ms   a hold     answers 1 renewed, 2 and a request may be queued,
--     0 gone, also if the request has a newer one
--   'w', request id, lease ms         a waiter   answers the holder's PTTL, or -1: ask with acquire
-- No entry may make the call fail for the others: companions of a foreign type count as absent, and
-- PEXPIRE comes before HSET because a full server refuses HSET unless the script has written
-- before.
local answers, now = {}, nil

local function renew_hold(hold, value, ttl)
  -- Never shorter: a renewal of a connection that was left may arrive late, with a ttl from before
  -- a nested call asked for a longer one.
  local renewed = redis.call('PEXPIRE', hold, math.max(ttl, redis.call('PTTL', hold)))
  return renewed == 1 and string.sub(value, 4, 4) == 'w' and 2 or renewed
end

local function renew_waiter(hold, id, lease)
  local queue, waiters = hold .. ':queue', hold .. ':waiters'
  local entry = redis.pcall('HGET', waiters, id)
  local rest = type(entry) == 'string' and string.match(entry, '^%d+( .*)$')
  if not rest or type(redis.pcall('ZSCORE', queue, id)) ~= 'string' then
    return -1
  end
  now = now or clock()
  for _, name in ipairs({queue, waiters}) do
    -- Never shorter: another process may have the longer leases of many waiters here.
    redis.call('PEXPIRE', name, math.max(redis.call('PTTL', name), lease * 2))
  end
  local deadline = string.format('%d', now + lease * 1000)
  local written = redis.pcall('HSET', waiters, id, deadline .. rest)
  return type(written) == 'number' and redis.call('PTTL', hold) or -1
end

for entry, hold in ipairs(KEYS) do
  local token, id, ms = ARGV[entry * 3 - 2], ARGV[entry * 3 - 1], tonumber(ARGV[entry * 3])
  local value = read(hold)
  if token == 'w' then
    local others = is_hold(value) and not is_hold(value, id)
    answers[entry] = others and renew_waiter(hold, id, ms) or -1
  else
    local mine = is_hold(value, id, token)
    answers[entry] = mine and ms > 0 and renew_hold(hold, value, ms) or 0
  end
end
return answers
