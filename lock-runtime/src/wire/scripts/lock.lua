-- The value of a hold key: nil if there is none, a table if the key has another type. Any other
-- error is raised, so that a missing right is never taken for a key of another type.
local function read(key)
  local value = redis.pcall('GET', key)
  if type(value) == 'table' and not string.find(value.err, 'WRONGTYPE') then
    return redis.call('GET', key)
  end
  return value or nil
end

-- Whether this value is a hold; if a request is given, of that request; and if a token is given,
-- with that first token. A hold that is gone may have been granted again to the same request by an
-- acquire that arrived late: only the token tells them apart. A value or a type of another kind of
-- client is no hold.
local function is_hold(value, request, token)
  return type(value) == 'string' and string.sub(value, 1, 3) == 'dl1'
    and (not request or string.sub(value, 5, 36) == request)
    and (not token or string.match(value, '^%S+ %S+ (%d+) ') == token)
end

-- The server's clock in microseconds.
local function clock()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end
