-- Prolongs many holds and waiters' leases in one call; what is not there is never made.
-- ARGV is a list of entries; each takes its keys from KEYS in order:
--   'h', request id, ttl ms            KEYS hold                   answers 1 renewed, 2 and
--     somebody may be queued, 0 not its any more
--   'w', request id, lease ms          KEYS hold, queue, waiters   answers the holder's PTTL, or
--     -1: ask with acquire
-- No entry may make the call fail for the others: companions of a foreign type count as absent, and
-- PEXPIRE comes before HSET because a full server refuses HSET unless the script has written
-- before.
local answers = {}
local key, argument = 1, 1
local time = nil
while ARGV[argument] do
  local kind, id, ms = ARGV[argument], ARGV[argument + 1], ARGV[argument + 2]
  argument = argument + 3
  local hold = KEYS[key]
  local value = read(hold)
  local ours = type(value) == 'string' and string.sub(value, 1, 3) == 'dl1'
  local mine = ours and string.sub(value, 5, 36) == id
  local answer
  if kind == 'h' then
    -- Never shorter: a renewal of a connection that was left may arrive late, with a ttl from
    -- before a nested call asked for a longer one.
    answer = mine and tonumber(ms) > 0
      and redis.call('PEXPIRE', hold, math.max(tonumber(ms), redis.call('PTTL', hold))) or 0
    if answer == 1 and string.sub(value, 4, 4) == 'w' then
      answer = 2
    end
    key = key + 1
  else
    local queue, waiters = KEYS[key + 1], KEYS[key + 2]
    local entry = ours and not mine and redis.pcall('HGET', waiters, id)
    local rest = type(entry) == 'string' and string.match(entry, '^%d+( .*)$')
    if rest and type(redis.pcall('ZSCORE', queue, id)) == 'string' then
      time = time or redis.call('TIME')
      local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
      local deadline = string.format('%.0f', now + ms * 1000)
      -- Never shorter: another process may have the longer leases of many waiters here.
      local keep = math.max(redis.call('PTTL', queue), ms * 2)
      redis.call('PEXPIRE', queue, keep)
      redis.call('PEXPIRE', waiters, keep)
      local written = redis.pcall('HSET', waiters, id, deadline .. rest)
      answer = type(written) == 'number' and redis.call('PTTL', hold) or -1
    else
      answer = -1
    end
    key = key + 3
  end
  answers[#answers + 1] = answer
end
return answers
