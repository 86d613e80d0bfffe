-- Tries each command that the other scripts run, and each kind of key, so that a right which is
-- missing shows at connect and not under contention. It leaves nothing behind: a command that would
-- write has arguments with which it does nothing.
-- KEYS: hold, queue, waiters, cancelled of a lock that nobody uses, a section's hash, fence   ARGV:
-- inbox
-- Answers {the server's clock in seconds, and for each refusal the command and the server's words}.
-- A refusal for want of memory or of replicas is none: it may be over by the time of a lock, and
-- holds can be ended meanwhile.
local HOLD, QUEUE, WAITERS = KEYS[1], KEYS[2], KEYS[3]
local answer = {0}

local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local words = type(reply) == 'table' and reply.err
  if words and (string.find(words, 'NOPERM')
    or string.find(words, "user executing the script can't")
    or string.find(words, 'ACL failure in script')
    or string.find(words, 'Unknown Redis command') or string.find(words, 'read only replica')) then
    answer[#answer + 1] = command
    answer[#answer + 1] = words
    return nil
  end
  return reply
end

local time = try('TIME')
answer[1] = time and tonumber(time[1]) or -1
local deletes = try('DEL', HOLD)
for _, name in ipairs(KEYS) do
  try('EXISTS', name)
  try('SETRANGE', name, 0, '')
end
try('GET', HOLD)
try('SET', HOLD, '', 'XX')
try('PTTL', HOLD)
try('PEXPIRE', HOLD, 1)
try('INCRBY', HOLD, 'no number')
try('DECRBY', HOLD, 'no number')
-- The only one that cannot do without a key.
if deletes and try('INCR', HOLD) then
  redis.pcall('DEL', HOLD)
end
try('ZADD', QUEUE, 'XX', 0, '-')
try('ZREM', QUEUE, '-')
try('ZRANGE', QUEUE, 0, 0)
try('ZRANK', QUEUE, '-')
try('ZCARD', QUEUE)
try('ZSCORE', QUEUE, '-')
try('HSET', WAITERS, 'a field', 'its value', 'a field without one')
try('HGET', WAITERS, '-')
try('HMGET', WAITERS, '-')
try('HDEL', WAITERS, '-')
try('HGETALL', WAITERS)
try('PUBLISH', ARGV[1], '')
return answer
