-- Ends the hold of a request. One that nobody waits for takes two commands and one comparison. One
-- that others wait for goes to the first of them here, if that is alive and nothing is unusual;
-- everything else is release_contended.lua.
-- KEYS: hold   ARGV: request id, mark; if the key stays taken, for how many ms: that is
--   release_contended.lua
-- Answers 1 if the hold was this request's, else 0, which changes nothing.
local HOLD, id, keep = KEYS[1], ARGV[1], ARGV[3]
local value = redis.pcall('GET', HOLD)
if type(value) == 'string' and not keep and string.sub(value, 1, 36) == 'dl1-' .. id then
  return redis.call('DEL', HOLD)
end

-- An inbox that does not listen, whose waiter is out of the queue.
local unheard
if type(value) == 'string' and not keep and string.sub(value, 1, 36) == 'dl1w' .. id then
  local try, QUEUE, WAITERS = redis.pcall, HOLD .. ':queue', HOLD .. ':waiters'
  local heads = try('ZRANGE', QUEUE, 0, 0)
  local head = heads[1]
  if not head and not heads.err then
    return redis.call('DEL', HOLD)
  end
  -- A tombstone has no entry.
  local entry = head and head ~= id and try('HGET', WAITERS, head)
  local time = type(entry) == 'string' and try('TIME')
  if time and time[1] then
    local now = time[1] * 1000000 + time[2]
    local seen, block, prefix = string.match(value, '^%S+ %S+ (%d+) (%d+) (%S*)inbox:')
    local deadline, claim, since, tail, count, inbox =
      string.match(entry, '^(%d+) (%d+) (%d+)( (%d+) (%S+) .*)$')
    local usual = prefix and deadline and deadline + 0 >= now and claim + 0 >= 600
    if usual and (try('PUBSUB', 'NUMSUB', inbox)[2] or 0) > 0 then
      local FENCE = prefix .. 'tokens'
      local last = try('HINCRBY', FENCE, ARGV[2], count)
      local fence = type(last) == 'number' and last - count + 1
      if fence and fence > 1e15 and fence >= seen + block
        and (count + 0 <= 16 or last <= now + 1000000) then
        local token = string.format('%d', fence)
        local granted = string.format('%d', now / 1000)
        local next = 'dl1w' .. head .. ' ' .. since .. '/' .. granted .. ' ' .. token .. tail
        if try('SET', HOLD, next, 'PX', claim).ok then
          try('ZREM', QUEUE, head)
          try('HDEL', WAITERS, head)
          local heard =
            try('PUBLISH', inbox, 'granted ' .. head .. ' ' .. token .. ' ' .. count)
          if type(heard) == 'number' then
            return 1
          end
          unheard = inbox
        end
      end
      if fence and not unheard and try('HINCRBY', FENCE, ARGV[2], -count) == 0 then
        try('HDEL', FENCE, ARGV[2])
      end
    end
  end
end
