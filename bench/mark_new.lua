-- mark_contact with one item, on new conversations: the peers of each user count upward across all runs. Concurrent requests are
-- of different users.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

local own = math.floor(users / threads_max)
local n = 0

function request()
  local user = thread_nr + threads_max * walk(n, own)
  last = first + math.floor(n / own)
  n = n + 1
  return mark(user, peers + last, '"SetMark":[' .. 40 + last % 8 .. "]")
end
