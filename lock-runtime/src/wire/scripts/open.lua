-- Opens the tokens of a key space on a master, before any command of a connection that may draw
-- some. A fresh server starts from its clock. One that is known to have lost data first waits that
-- out, and one that has the tokens of another master, which failed over or restarted, its grace
-- period. Where others have done so already, this can only prolong it.
-- Sent inside a transaction that watches the tokens; on a node of a cluster alone, for each slot
-- when a command finds that its tokens are not those of this master.
-- KEYS: tokens   ARGV: mark, floor, longest lease ms, grace after a failover ms, 1 if the server is
-- known to have had data, the marks of other masters of the cluster: a slot with tokens of those
-- alone was migrated, by which nothing is lost
-- Answers the kind of what is waited for, else ''. UNOPENED if this master has another mark by now.
local FENCE, MARK, now = KEYS[1], ARGV[1], clock()
local lease, grace = tonumber(ARGV[3]), tonumber(ARGV[4])
local fields, issued = redis.call('HGETALL', FENCE), tonumber(ARGV[2])
local waits, migrated, living = nil, #fields > 0, {}
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
  else
    issued = math.max(issued, tonumber(value) or 0)
    migrated = migrated and (name == 'c' or living[name])
  end
end

if SHARDED then
  -- A connection may outlast the time in which its server is a replica.
  local info = redis.pcall('INFO', 'replication')
  local id = type(info) == 'string' and string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x)')
  if id and 'm' .. id ~= MARK then
    return redis.error_reply('UNOPENED this connection was made to another primary')
  end
end
local kind, since, bound = waits_for(waits, MARK)
if kind then
  since = math.min(since, now)
elseif #fields > 0 then
  if migrated then
    -- Nothing was lost, and what the other master waits for goes on.
    kind, since, bound = waits_for(waits, string.match(waits or '', '^%S+'))
    since, bound, grace = math.min(since or now, now), bound or 0, 0
  else
    -- What was lost before stays lost.
    local before, ms = string.match(waits or '', '^%S+ (%a) %d+ (%d+)$')
    kind, since, bound = FAILOVER, now, 0
    if before == LOSS then
      kind, bound = LOSS, tonumber(ms)
    end
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
bound, issued = math.max(bound, kind == LOSS and lease or grace), string.format('%d', issued)
if bound == 0 then
  replace_tokens(FENCE, fields, MARK, issued)
  return ''
end
local wait = string.format('%s %s %d %d', MARK, kind, since, bound)
replace_tokens(FENCE, fields, 'w', wait, 'c', issued)
return kind
