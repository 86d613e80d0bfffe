-- The value of a hold key: nil if there is none, a table if the key has another type. Any other
-- error is raised, so that a missing right is never taken for a key of another type.
local function read(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE') then
    return redis.call('GET', key)
  end
  return value or nil
end
