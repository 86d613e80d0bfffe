-- What the hash of tokens may wait for; grant.lua explains it.
local FAILOVER, LOSS = 'p', 'l'
-- Whether this is a node of a cluster. Each slot then has its own tokens.
local SHARDED = false

-- In a slot that is being migrated a script cannot make a key that it has deleted: the key belongs
-- to the other node. So in all scripts what is written comes before what is removed.

-- Has the tokens consist of these fields alone; `before` is what HGETALL answers. The first HDEL
-- removes nothing: a full server refuses HSET unless the script has written before.
local function replace_tokens(name, before, ...)
  local is_new, words = {}, {...}
  for word = 1, #words, 2 do
    is_new[words[word]] = true
  end
  redis.call('HDEL', name, '')
  redis.call('HSET', name, ...)
  for field = 1, #before, 2 do
    if not is_new[before[field]] then
      redis.call('HDEL', name, before[field])
    end
  end
end

-- What it waits for, since when and for how many ms, if it waits on the master with this mark.
local function waits_for(text, mark)
  local of, kind, since, bound = string.match(text or '', '^(%S+) (%a) (%d+) (%d+)$')
  if of == mark then
    return kind, tonumber(since), tonumber(bound)
  end
end

-- Has the tokens wait for this on the master with this mark. `before` as above; `drawn` says which
-- master drew before, and its last token, if one did.
local function wait_for(name, before, mark, kind, since, bound, issued, drawn)
  local wait = string.format('%s %s %d %d', mark, kind, since, bound)
  issued = string.format('%d', issued)
  if drawn then
    replace_tokens(name, before, 'w', wait, 'c', issued, 'b', drawn)
  else
    replace_tokens(name, before, 'w', wait, 'c', issued)
  end
end

-- Has nobody draw from the tokens before they are opened: not this master, whose they are not, nor
-- the one whose they are, if the slot comes back to it. `waits` is what they wait for.
local function close_tokens(name, before, waits, issued, drawn)
  local kind, since, bound = string.match(waits or '', '^%S+ (%a) (%d+) (%d+)$')
  wait_for(name, before, '-', kind or FAILOVER, since or 0, bound or 0, issued, drawn)
end

-- What INFO shows as 'master_replid' or 'master_replid2', if the user may ask.
local function replid(number)
  local info = redis.pcall('INFO', 'replication')
  return type(info) == 'string' and string.match(info, 'master_replid' .. number .. ':(%x+)')
end

-- No counter is further ahead of the clock of its master, in microseconds.
local AHEAD_US = 1000000

-- Whether this node was a replica before it became a master.
local function was_promoted()
  local before = SHARDED and replid('2')
  return before and string.find(before, '[^0]')
end

-- Where the tokens of a new slot start at this instant. A master that was promoted starts above all
-- that the one before it may draw: that one may not have heard of it yet, and the slot is new to
-- both.
local function start(now)
  return was_promoted() and now + AHEAD_US or now
end
