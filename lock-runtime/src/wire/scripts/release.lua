-- Ends the holds of requests. One that nobody waits for takes two commands; for the others
-- release_contended.lua follows.
-- KEYS: hold of each lock, then fence   ARGV: floor, grace ms, then request id of each lock
-- Answers for each lock 1 if the hold was this request's, else 0, which changes nothing, or the
-- server's error. For a single lock it answers that without an array.
local answers, contended = {}, nil
for lock = 1, #KEYS - 1 do
  local value = read(KEYS[lock])
  if not is_hold(value, ARGV[lock + 2]) then
    answers[lock] = 0
  elseif string.sub(value, 4, 4) == '-' then
    answers[lock] = redis.pcall('DEL', KEYS[lock])
  else
    contended = contended or {}
    contended[lock] = value
  end
end
if not contended then
  return answers[2] and answers or answers[1]
end
