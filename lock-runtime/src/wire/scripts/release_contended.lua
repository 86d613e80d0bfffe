-- Ends a hold that others wait for or whose key stays taken, or answers that there is none of this
-- request.
MARK = ARGV[2]
select_lock(KEYS[1], ARGV[1])
if unheard then
  unreachable[unheard] = true
  work = work - UNREACHABLE
elseif type(value) == 'table' then
  -- Raises any error but that the key has another type.
  read(HOLD)
end
return is_hold(value, id) and end_hold(value, ARGV[3]) or 0
