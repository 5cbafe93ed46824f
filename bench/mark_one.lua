-- mark_contact with one item. Concurrent requests are of different users, unless there is only one user.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

local own = math.floor(users * peers / threads_max)
local n = 0

function request()
  local place = thread_nr + threads_max * walk(n, own)
  local user, peer = place % users, math.floor(place / users)
  last = first + math.floor(n / own)
  n = n + 1
  return mark(user, peer, marks[last % 256])
end
