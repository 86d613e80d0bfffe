-- What the hash of tokens may wait for; grant.lua explains it.
local FAILOVER, LOSS = 'p', 'l'
-- Whether this is a node of a cluster. Each slot then has its own tokens.
local SHARDED = false

-- What it waits for, since when and for how many ms, if it waits on the master with this mark.
local function waits_for(text, mark)
  local of, kind, since, bound = string.match(text or '', '^(%S+) (%a) (%d+) (%d+)$')
  if of == mark then
    return kind, tonumber(since), tonumber(bound)
  end
end
