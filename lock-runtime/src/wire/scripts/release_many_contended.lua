-- Ends holds that others wait for: each straight to its first live waiter, in this same step.
local answers = {}
MARK = ARGV[#ARGV]
for lock in ipairs(KEYS) do
  answers[lock] = 1
end
for _, lock in ipairs(others) do
  select_lock(KEYS[lock], ARGV[lock])
  answers[lock] = is_hold(values[lock], id) and end_hold(values[lock]) or 0
end
return answers
