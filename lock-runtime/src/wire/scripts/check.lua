-- Tries each command that the other scripts run, and each kind of key, so that a right which is
-- missing shows at connect and not under contention. It leaves nothing behind: a command that would
-- write has arguments with which it does nothing.
-- KEYS: hold of a lock that nobody uses, a section's hash, tokens   ARGV: inbox
-- Answers {the server's clock in seconds, and for each refusal the command and the server's words}.
-- A refusal for want of memory or of replicas is none: it may be over by the time of a lock, and
-- holds can be ended meanwhile.
local HOLD, QUEUE, WAITERS = KEYS[1], KEYS[1] .. ':queue', KEYS[1] .. ':waiters'
local REFUSALS = {
  'NOPERM', "user executing the script can't", 'ACL failure in script', 'Unknown Redis command',
  'read only replica',
}
local answer = {0}

local function try(command, ...)
  local reply = redis.pcall(command, ...)
  local words = type(reply) == 'table' and reply.err or ''
  for _, refusal in ipairs(REFUSALS) do
    if string.find(words, refusal) then
      answer[#answer + 1] = command == 'PUBSUB' and 'PUBSUB NUMSUB' or command
      answer[#answer + 1] = words
      return nil
    end
  end
  return reply
end

local time = try('TIME')
answer[1] = time and tonumber(time[1]) or -1
try('DEL', HOLD)
for _, name in ipairs({HOLD, QUEUE, WAITERS, KEYS[2], KEYS[3]}) do
  try('EXISTS', name)
  try('SETRANGE', name, 0, '')
end
for _, command in ipairs({
  {'GET', HOLD}, {'MGET', HOLD}, {'SET', HOLD, '', 'XX'}, {'PTTL', HOLD}, {'PEXPIRE', HOLD, 1},
  {'HINCRBY', WAITERS, '-', 'no number'},
  {'ZADD', QUEUE, 'XX', 0, '-'}, {'ZREM', QUEUE, '-'}, {'ZRANGE', QUEUE, 0, 0},
  {'ZCOUNT', QUEUE, 0, 0}, {'ZSCORE', QUEUE, '-'},
  {'HSET', WAITERS, 'a field', 'its value', 'a field without one'}, {'HGET', WAITERS, '-'},
  {'HMGET', WAITERS, '-'}, {'HDEL', WAITERS, '-'}, {'HGETALL', WAITERS}, {'PUBLISH', ARGV[1], ''},
  {'PUBSUB', 'NUMSUB', ARGV[1]},
}) do
  try(unpack(command))
end
return answer
