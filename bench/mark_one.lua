-- mark_contact with one item. Requests under way at the same time are of different users, unless there is only one.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

local letter = os.getenv("BENCH_LETTER")
local peers = tonumber(os.getenv("BENCH_PEERS"))
local own = math.floor(users * peers / threads_max)
local n = 0

function request()
  local place = thread_nr + threads_max * walk(n, own)
  local user = 1000000 + place % users
  local peer = 1000000 + math.floor(place / users)
  local number = (stamp * 37 + math.floor(n / own)) % 256
  n = n + 1
  return post(
    '{"From_Account":"' .. letter .. user .. '","MarkItem":[{"OptType":1,"ContactItem":{"Type":1,"To_Account":"p' .. peer
      .. '"},' .. marks[number] .. "}]}"
  )
end
