-- get_contact_group: the first page of a user.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")
has_items = false

local own = math.floor(users / threads_max)
local n = 0

function request()
  local user = 1000000 + thread_nr + threads_max * walk(n, own)
  n = n + 1
  return post('{"From_Account":"' .. letter .. user .. '","StartIndex":0}')
end
