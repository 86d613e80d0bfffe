-- Opens the tokens of a key space on a master, before any command of a connection that may draw
-- some. A fresh server starts from its clock. One that is known to have lost data first waits that
-- out, and one that has the tokens of another master, which failed over or restarted, its grace
-- period. Where others have done so already, this can only prolong it.
-- Sent inside a transaction that watches the tokens; on a node of a cluster alone, for each slot
-- when a command finds that its tokens are not those of this master.
-- KEYS: tokens   ARGV: mark, floor, longest lease ms, grace after a failover ms, 1 if the server is
-- known to have had data, the marks of other masters of the cluster: a slot with tokens of those
-- alone was migrated, by which nothing is lost unless the floor is above them, or this master was
-- promoted meanwhile
-- With '-' for the grace period it opens no tokens of another master. It closes those that are
-- below the floor: the last ones were drawn by a master that has failed, and a slot that goes back
-- to the one before that would show no trace of it.
-- Answers the kind of what is waited for, else ''. UNOPENED if this master has another mark by now.
local FENCE, MARK, now = KEYS[1], ARGV[1], clock()
local floor, lease, grace = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
-- A connection may outlast the time in which its server is a replica, and so may its tokens.
local id = SHARDED and replid('')
if id and 'm' .. string.sub(id, 1, 8) ~= MARK then
  return redis.error_reply('UNOPENED this connection was made to another primary')
end

local fields, issued = redis.call('HGETALL', FENCE), 0
local waits, drawn, migrated, living = nil, nil, #fields > 0, {}
for master = 6, #ARGV do
  living[ARGV[master]] = true
end
for field = 1, #fields, 2 do
  local name, value = fields[field], fields[field + 1]
  if name == MARK then
    return ''
  elseif name == 'w' then
    waits = value
    migrated = migrated and living[string.match(value, '^%S+')]
  elseif name == 'b' then
    drawn = value
  else
    drawn = name ~= 'c' and name .. ' ' .. value or drawn
    issued = math.max(issued, tonumber(value) or 0)
    migrated = migrated and (name == 'c' or living[name])
  end
end

local kind, since, bound = waits_for(waits, MARK)
local is_behind = floor > issued
issued = math.max(issued, floor)
if kind then
  since = math.min(since, now)
elseif #fields > 0 and not grace then
  if is_behind then
    close_tokens(FENCE, fields, waits, issued, drawn)
  end
  return ''
elseif #fields > 0 then
  if migrated and not is_behind and (grace == 0 or not was_promoted()) then
    -- Nothing was lost, and what the other master waits for goes on.
    kind, since, bound = waits_for(waits, string.match(waits or '', '^%S+'))
    since, bound, grace = math.min(since or now, now), bound or 0, 0
  else
    -- What was lost before stays lost, and a longer wait for a failover is not cut short: holds may
    -- still be put back until it is over.
    local lost, at, ms = string.match(waits or '', '^%S+ (%a) (%d+) (%d+)$')
    at, ms = math.min(tonumber(at) or now, now), tonumber(ms) or 0
    kind, since, bound = FAILOVER, now, 0
    if lost == LOSS then
      kind, bound = LOSS, ms
    elseif at + ms * 1000 > now + grace * 1000 then
      since, bound = at, ms
    end
  end
  -- Above what the other master may have issued, up to the skew of their clocks.
  issued = math.max(issued, now + AHEAD_US)
elseif ARGV[5] == '1' then
  kind, since, bound = LOSS, now, 0
else
  redis.call('HSET', FENCE, MARK, string.format('%d', math.max(start(now), issued + 1)))
  return ''
end
bound = math.max(bound, kind == LOSS and lease or grace or 0)
if bound == 0 then
  replace_tokens(FENCE, fields, MARK, string.format('%d', issued))
  return ''
end
wait_for(FENCE, fields, MARK, kind, since, bound, issued, drawn)
return kind
