-- Turns locks that are free, and that nobody queues for, into holds of one process, each with its
-- own fencing tokens from a single draw. This is the whole of an uncontended acquire, so it is kept
-- to three commands: one EXISTS, one INCRBY of the fence, and a SET for each lock. Everything else
-- is acquire_contended.lua.
-- KEYS: hold of each lock, then fence. The names of the other keys are made here, which is faster
--   than reading them.
-- ARGV: floor, grace ms, mode, inbox, waiter lease ms (0: do not queue), claim ms,
--   ticket, then request id, ttl ms, block, description of each lock
--   mode    'one' lock, 'all' of them or none, or 'each' of several that have nothing to do with
--     each other: their callers just ask at one time
--   block   how many tokens to reserve; the hold may be handed off within its process under those
--     after the first
-- Answers the first token of a whole block, after which those of the other locks follow in their
-- order; or 0 if not 'all' are free; or for 'each' an array with its first token or 0: ask alone;
-- or for 'one' an array that acquire_contended.lua documents.
local FENCE, mode, inbox, locks = KEYS[#KEYS], ARGV[3], ARGV[4], #KEYS - 1
local answers, names, total = {}, {}, 0
local width = mode == 'each' and 2 or 3
for lock = 1, locks do
  local hold, last = KEYS[lock], lock * width
  answers[lock] = 0
  names[last], names[last - 1] = hold .. ':queue', hold .. ':cancelled'
  if mode ~= 'each' then
    names[last - 2] = hold
  end
  total = total + ARGV[lock * 4 + 6]
end
if total <= 16 * locks and redis.call('EXISTS', unpack(names)) == 0 then
  local last = redis.pcall('INCRBY', FENCE, total)
  local fence = type(last) == 'number' and last - total + 1
  if fence and fence > tonumber(ARGV[1]) and fence > 1e15 then
    local taken = 0
    for lock = 1, locks do
      local id, ttl, count, description = unpack(ARGV, lock * 4 + 4, lock * 4 + 7)
      local tokens = string.format(' %.0f ', fence) .. count .. ' '
      local value = 'dl1-' .. id .. tokens .. inbox .. ' ' .. description
      local set = redis.pcall('SET', KEYS[lock], value, 'NX', 'PX', ttl)
      if set and set.ok then
        answers[lock], taken = fence, taken + 1
      end
      fence = fence + count
    end
    if mode == 'one' and taken == 1 then
      return answers[1]
    elseif mode == 'all' and taken < locks then
      for lock = 1, locks do
        if answers[lock] > 0 then
          redis.call('DEL', KEYS[lock])
          answers[lock] = 0
        end
      end
    end
  elseif fence and redis.call('DECRBY', FENCE, total) == 0 then
    -- A counter that was not there stays absent: the process that creates it, or
    -- acquire_contended.lua, must see the data loss.
    redis.call('DEL', FENCE)
  end
end
if mode ~= 'one' then
  return mode == 'all' and answers[1] or answers
end
