-- mark_contact with 100 items of one user, each of the largest size: ids of maximal length, all 64 bits, and a custom mark of
-- 256 bytes with JSON escapes.

dofile(os.getenv("BENCH_FOLDER") .. "/wire.lua")

local own = math.floor(users / threads_max)
local n = 0
local even, odd = {}, {}
for bit = 0, 62, 2 do
  even[#even + 1], odd[#odd + 1] = bit, bit + 1
end
even, odd = table.concat(even, ","), table.concat(odd, ",")

function request()
  local user = thread_nr + threads_max * walk(n, own)
  local set, clear = even, odd
  if n % 2 == 1 then set, clear = odd, even end
  last = first + math.floor(n / own)
  local custom = string.rep("\\u00e9", 126) .. string.format("%04d", last % 10000)
  local items = {}
  for nr = 0, 99 do
    items[#items + 1] = string.format(
      '{"OptType":3,"ContactItem":{"Type":2,"ToGroupId":"g%047d"},"SetMark":[%s],"ClearMark":[%s],"CustomMark":"%s"}',
      nr, set, clear, custom
    )
  end
  n = n + 1
  return post(string.format('{"From_Account":"m%031d","MarkItem":[%s]}', user, table.concat(items, ",")))
end
