-- Ends holds that others wait for: each straight to its first live waiter, in this same step.
for lock, value in pairs(contended) do
  select_lock(KEYS[lock], ARGV[lock + 2])
  answers[lock] = end_hold(value)
end
return answers[2] and answers or answers[1]
