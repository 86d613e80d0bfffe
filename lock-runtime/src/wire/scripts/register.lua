-- Registers a request that waits inside a section, or takes that back. In a cluster, where each
-- process that waits follows the edges of the wait-for graph itself. It also drops what nobody
-- registered again.
-- KEYS: the hash of the section, id -> 'registered us, n and the number of the registration,
-- section or -, bytes of the key, key, description'
-- ARGV: id, lease ms, the entry from behind its time; empty if the request does not wait any more
-- Answers 1.
local name, id, lease, entry = KEYS[1], ARGV[1], tonumber(ARGV[2]), ARGV[3]
local now = clock()
local fields = redis.call('HGETALL', name)
if entry ~= '' then
  redis.call('HSET', name, id, string.format('%d ', now) .. entry)
  redis.call('PEXPIRE', name, lease)
end
for i = 1, #fields, 2 do
  local registered = tonumber(string.match(fields[i + 1], '^(%d+) ') or 0)
  if fields[i] == id then
    registered = entry == '' and 0 or now
  end
  if registered < now - lease * 1000 then
    redis.call('HDEL', name, fields[i])
  end
end
return 1
