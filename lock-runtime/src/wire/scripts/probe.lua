-- Registers a request that waits inside sections, and looks for a way on which it waits for itself.
-- It turns one request into a field of the hash of each section around it, with a short TTL, and
-- drops fields that nobody registered again; of what it meets on its way it changes nothing else.
-- An edge of the wait-for graph goes from a request to the section that has what it waits for, and
-- from there to all requests that are made inside that section. A cycle is there when a section
-- around the asking request is reached. It is found by the youngest of its members alone: only
-- older requests count. (Edge chasing: Chandy, Misra and Haas, "Distributed deadlock detection",
-- 1983; here one server sees all edges, so that the probe need not travel.)
-- KEYS: the hash of each section around the request, whose name ends in the section's 32 digits
--   hash   id -> 'registered us, since us, section or -, bytes of the key, key, description'
-- ARGV: id, prefix, lease ms, fresh ms, limit, waited us, section waited for or '-', key,
-- description
-- Answers {now us} or {now us, and id, registered us, key, description of each request on the way,
-- the asking one first}. A server that refuses to write registers nothing, which finds fewer cycles
-- and never a false one.
local id, prefix = ARGV[1], ARGV[2]
local lease, fresh, limit = ARGV[3] * 1000, ARGV[4] * 1000, tonumber(ARGV[5])
local now = clock()

local function parse(field, value)
  local registered, since, section, length, rest =
    string.match(value, '^(%d+) (%d+) (%S+) (%d+) (.*)$')
  if registered then
    length = tonumber(length)
    return {
      id = field, registered = tonumber(registered), since = tonumber(since), section = section,
      key = string.sub(rest, 1, length), description = string.sub(rest, length + 2),
    }
  end
end

-- What is registered under a section and not over, in an order that does not depend on the hash.
local function registered_under(name)
  local found = {}
  local fields = redis.pcall('HGETALL', name)
  for i = 1, #fields, 2 do
    local entry = parse(fields[i], fields[i + 1])
    if entry and entry.registered < now - lease then
      redis.pcall('HDEL', name, entry.id)
    elseif entry and entry.registered <= now then
      found[#found + 1] = entry
    end
  end
  table.sort(found, function(a, b) return a.id < b.id end)
  return found
end

-- Since when the request waits is settled when it is first registered: all members must see the
-- same order.
local around, since = {}, nil
for _, name in ipairs(KEYS) do
  around[string.sub(name, -32)] = true
  for _, entry in ipairs(registered_under(name)) do
    if entry.id == id then
      since = since or entry.since
    end
  end
end
since = since or math.max(0, now - tonumber(ARGV[6]))
local value = string.format('%d %d %s %d ', now, since, ARGV[7], #ARGV[8])
  .. ARGV[8] .. ' ' .. ARGV[9]
for _, name in ipairs(KEYS) do
  if type(redis.pcall('HSET', name, id, value)) == 'number' then
    redis.call('PEXPIRE', name, ARGV[3])
  end
end

local function hash_tag(key)
  return string.match(key, '^[^{]*{([^}]+)}')
end

-- The name of the hold of a key, as in `Keyspace::hold`.
local function hold_of(key)
  local tag = hash_tag(key)
  if tag then
    return prefix .. '{' .. tag .. '}' .. key .. '}'
  end
  local before, behind = string.match(key, '^([^}]*)}(.*)')
  if key == '' or before == '' or before and hash_tag(behind) == before then
    return prefix .. 'odd{~}' .. key .. '}'
  end
  return prefix .. '{' .. key .. '}'
end

-- The section that has what this request waits for. Who holds it itself waits no more.
local function obstacle(entry)
  if entry.section ~= '-' then
    return entry.section
  end
  local hold = redis.pcall('GET', hold_of(entry.key))
  if is_hold(hold) and not is_hold(hold, entry.id) then
    return string.sub(hold, 5, 36)
  end
end

local function counts(entry)
  local older = entry.since < since or (entry.since == since and entry.id < id)
  return older and entry.registered >= now - fresh
end

local way, seen, visited = {}, {[id] = true}, 0
local function leads_back(entry)
  way[#way + 1] = entry
  local section = obstacle(entry)
  if section and around[section] then
    return true
  end
  for _, other in ipairs(section and registered_under(prefix .. 'blocked:' .. section) or {}) do
    if counts(other) and not seen[other.id] and visited < limit then
      seen[other.id] = true
      visited = visited + 1
      if leads_back(other) then
        return true
      end
    end
  end
  way[#way] = nil
  return false
end

local answer = {now}
if leads_back(parse(id, value)) then
  for _, entry in ipairs(way) do
    for _, word in ipairs({entry.id, entry.registered, entry.key, entry.description}) do
      answer[#answer + 1] = word
    end
  end
end
return answer
