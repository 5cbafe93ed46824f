-- mark_contact with one item, on conversations that have nothing: each is marked, and some requests later cleared. Concurrent
-- requests are of different users.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

-- A thread marks so many conversations, then clears them. It has far fewer requests in flight, so no conversation is cleared
-- before the answer to its mark.
local stretch = 512
-- Numbers above those of the conversations that fill.sql makes.
local first_peer = 100
local own = math.floor(users * peers / threads_max)
local n = 0

local all = {}
for bit = 40, 47 do all[#all + 1] = bit end
local clear = '"ClearMark":[' .. table.concat(all, ",") .. "]"

function request()
  local in_stretch = n % (2 * stretch)
  local k = math.floor(n / (2 * stretch)) * stretch + in_stretch % stretch
  local place = thread_nr + threads_max * walk(k, own)
  local user, peer = place % users, first_peer + math.floor(place / users)
  -- The end of a run leaves the last stretch marked. The next run uses another bit, so that marking is a change there, too.
  last = first + math.floor(k / own)
  n = n + 1
  if in_stretch < stretch then return mark(user, peer, '"SetMark":[' .. 40 + last % 8 .. "]") end
  return mark(user, peer, clear)
end
