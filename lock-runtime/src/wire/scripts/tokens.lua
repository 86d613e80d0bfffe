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
