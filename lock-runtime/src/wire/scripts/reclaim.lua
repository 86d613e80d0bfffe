-- Puts a hold back that a failover or a restart has lost: its process still has it, and the server
-- does not know it. Only while the server waits for that, which it does by grant.lua before it has
-- granted anything: no other process can have the lock.
-- In a cluster also while the tokens of the slot are those of another master.
-- KEYS: hold, tokens   ARGV: mark, head, first token, tail, ttl ms, last token, as in acquire.lua;
-- the marks of the masters that have granted the hold and confirmed it last
-- Answers 1 if the hold is there. Else nothing is changed: 2 if an older hold is in its place while
-- the server waits, else 0. The older one had ended before the other master drew the token of this
-- one, and the failover has lost its end as well: its process repeats the release. It is not
-- replaced: if the other master goes on, its holder may have renewed it here meanwhile.
local HOLD, FENCE, MARK, ttl = KEYS[1], KEYS[2], ARGV[1], tonumber(ARGV[5])
local QUEUE, WAITERS, id = HOLD .. ':queue', HOLD .. ':waiters', string.sub(ARGV[2], 1, 32)
local value = read(HOLD)
if is_hold(value, id, ARGV[3]) then
  redis.call('PEXPIRE', HOLD, math.max(ttl, redis.call('PTTL', HOLD)))
  return 1
end
-- Below zero, until when the request is refused.
local place = tonumber(redis.call('ZSCORE', QUEUE, id) or 0)
local waits, issued, before = unpack(redis.call('HMGET', FENCE, 'w', 'c', 'b'))

-- Why a slot of a cluster is without tokens of this master, which has thus granted nothing in it:
-- they are those of another master. If that one has drawn the token of this hold or a later one, as
-- far as it was copied, then the grant of the hold was copied too, and has ended since.
local fields, drawn
local function unopened()
  fields, drawn = redis.call('HGETALL', FENCE), before
  for field = 1, #fields, 2 do
    local name, last = fields[field], tonumber(fields[field + 1])
    if name == MARK or (last and name ~= 'c' and last >= tonumber(ARGV[3])) then
      return nil
    end
    drawn = last and name ~= 'c' and name .. ' ' .. fields[field + 1] or drawn
  end
  return waits and string.match(waits, '^%S+ (%a) ') or (#fields > 0 and FAILOVER or nil)
end

-- A master that has neither granted nor confirmed this hold has drawn later tokens: its grace
-- period was over, and it may have granted the lock to others.
local drawer, last = string.match(before or '', '^(%S+) (%d+)$')
local outdated = drawer and tonumber(last) >= tonumber(ARGV[3])
  and not string.find(ARGV[7], drawer, 1, true)
local kind = waits_for(waits, MARK) or (SHARDED and unopened())
if -place >= clock() or kind ~= FAILOVER or outdated then
  return 0
elseif value then
  local other = is_hold(value) and string.match(value, '^%S+ %S+ (%d+) ')
  return other and tonumber(other) < tonumber(ARGV[3]) and 2 or 0
end
-- First, so that no refusal leaves a hold whose token is above what is known.
issued = math.max(issued or 0, ARGV[6])
if fields then
  close_tokens(FENCE, fields, waits, issued, drawn)
else
  redis.call('HSET', FENCE, 'c', string.format('%d', issued))
end
redis.call('ZREM', QUEUE, id)
redis.call('HDEL', WAITERS, id)
local flag = redis.call('ZCOUNT', QUEUE, 0, '+inf') > 0 and 'dl1w' or 'dl1-'
local tail = string.format(' %d ', ARGV[6] - ARGV[3] + 1) .. ARGV[4]
redis.call('SET', HOLD, flag .. ARGV[2] .. ARGV[3] .. tail, 'PX', ttl)
return 1
