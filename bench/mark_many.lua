-- mark_contact with 100 items of one user.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

local own = math.floor(users / threads_max)
local n = 0
local lists = {}

local function list(number)
  local items = {}
  for nr = 0, 99 do
    items[#items + 1] = '{"OptType":1,"ContactItem":{"Type":1,"To_Account":"p' .. 1000000 + nr .. '"},' .. marks[number] .. "}"
  end
  return table.concat(items, ",")
end

function request()
  local user = 1000000 + thread_nr + threads_max * walk(n, own)
  last = first + math.floor(n / own)
  n = n + 1
  local number = last % 256
  lists[number] = lists[number] or list(number)
  return post('{"From_Account":"' .. letter .. user .. '","MarkItem":[' .. lists[number] .. "]}")
end
