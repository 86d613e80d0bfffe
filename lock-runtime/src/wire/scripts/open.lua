-- Opens the tokens of a key space on a master, before any command of a connection that may draw
-- some. A fresh server starts from its clock. One that is known to have lost data first waits that
-- out, and one that has the tokens of another master, which failed over or restarted, its grace
-- period. Where others have done so already, this can only prolong it.
-- Sent inside a transaction that watches the tokens.
-- KEYS: tokens   ARGV: mark, floor, longest lease ms, grace after a failover ms, 1 if the server is
-- known to have had data
-- Answers the kind of what is waited for, else ''.
local FENCE, MARK, now = KEYS[1], ARGV[1], clock()
local lease, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local fields, issued = redis.call('HGETALL', FENCE), tonumber(ARGV[2])
local waits
for field = 1, #fields, 2 do
  local name, value = fields[field], fields[field + 1]
  if name == MARK then
    return ''
  elseif name == 'w' then
    waits = value
  else
    issued = math.max(issued, tonumber(value) or 0)
  end
end

local kind, since, bound = waits_for(waits, MARK)
if kind then
  since = math.min(since, now)
elseif #fields > 0 then
  -- What was lost before stays lost.
  local before, ms = string.match(waits or '', '^%S+ (%a) %d+ (%d+)$')
  kind, since, bound = FAILOVER, now, 0
  if before == LOSS then
    kind, bound = LOSS, tonumber(ms)
  end
  -- Above what the other master may have issued, up to the skew of their clocks: no block carries
  -- a counter further ahead of its clock than this.
  issued = math.max(issued, now + 1000000)
elseif ARGV[5] == '1' then
  kind, since, bound = LOSS, now, 0
else
  redis.call('HSET', FENCE, MARK, string.format('%d', math.max(now, issued + 1)))
  return ''
end
bound = math.max(bound, kind == LOSS and lease or grace)
-- The DEL comes first because a full server refuses HSET unless the script has written before.
redis.call('DEL', FENCE)
if bound == 0 then
  redis.call('HSET', FENCE, MARK, string.format('%d', issued))
  return ''
end
redis.call('HSET', FENCE, 'w', string.format('%s %s %d %d', MARK, kind, since, bound),
  'c', string.format('%d', issued))
return kind
