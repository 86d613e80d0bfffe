-- Ends each hold that nobody waits for; one that somebody waits for it leaves, to be released alone
-- with release.lua.
-- KEYS: hold of each lock   ARGV: request id of each
-- Answers for each lock 1 if the hold was this request id's and is gone, 0 if it was not, 2:
-- release alone.
local answers = {}
for lock, id in ipairs(ARGV) do
  local held = read(KEYS[lock])
  if type(held) ~= 'string' or string.sub(held, 5, 36) ~= id or string.sub(held, 1, 3) ~= 'dl1' then
    answers[lock] = 0
  elseif string.sub(held, 4, 4) == '-' then
    -- What is refused is sent alone, and answered with the server's words; those before it are gone
    -- already.
    local gone = redis.pcall('DEL', KEYS[lock])
    answers[lock] = type(gone) == 'number' and gone or 2
  else
    answers[lock] = 2
  end
end
return answers
