-- mark_contact with one item, on conversations without marks: one request marks a conversation, and a later request clears it.
-- Concurrent requests are of different users.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

-- A thread marks this many conversations, then clears them. It has far fewer requests in flight, so it clears no conversation
-- before the mark is answered.
local stretch = 512
-- Above the peers that fill.sql inserts.
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
  -- A run may end with marked conversations. The next run uses another bit, so that its marks change those as well.
  last = first + math.floor(k / own)
  n = n + 1
  if in_stretch < stretch then return mark(user, peer, '"SetMark":[' .. 40 + last % 8 .. "]") end
  return mark(user, peer, clear)
end
