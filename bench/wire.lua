-- Builds the requests of all loads, and checks the answers. The service reports success in the answer's body. So an answer counts
-- as failed unless its body reports success for every item.

local path = os.getenv("BENCH_PATH")
local expected = os.getenv("BENCH_EXPECTED")
local head = "POST " .. path .. " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "

threads_max = tonumber(os.getenv("BENCH_THREADS"))
letter = os.getenv("BENCH_LETTER")
users = tonumber(os.getenv("BENCH_USERS"))
peers = tonumber(os.getenv("BENCH_PEERS"))
-- Another number in each run, so that runs visit the conversations in different orders.
stamp = tonumber(os.getenv("BENCH_STAMP"))
-- The first number that no earlier run has used for these conversations, and the last one that this run has used. The stored values
-- are made from these numbers, so that every request changes its conversation.
first = tonumber(os.getenv("BENCH_FIRST"))
last = first

-- Answers list a ResultCode for each item. A script that reads sets it to false.
has_items = true

answers, failures, first_failure = 0, 0, ""

-- Error codes have five digits, and the first is not 0. Nine plain searches are faster than one search for a pattern.
local failed_codes = {}
for digit = 1, 9 do
  failed_codes[digit] = 'Code":' .. digit
end

-- The success fields are at the end. To search a whole page would take longer than to receive it.
local end_max = 300

local function worked(status, body)
  if status ~= 200 or not body:find('"ErrorCode":0,', -end_max, true) then return false end
  if expected and not body:find(expected, -end_max, true) then return false end
  if has_items then
    if not body:find('"ResultCode":0,', 1, true) then return false end
    for digit = 1, 9 do
      if body:find(failed_codes[digit], 1, true) then return false end
    end
  end
  return true
end

-- The latencies of one connection. wrk corrects its own percentiles for coordinated omission: for a slow answer, it adds
-- estimated latencies of the requests that it would have sent meanwhile. pgbench does not correct, so the two would not compare.
local measured = os.getenv("BENCH_LATENCIES")
local now = function() return 0 end
if measured then
  local ffi = require("ffi")
  ffi.cdef("typedef struct { long s; long ns; } moment; int clock_gettime(int clock, moment *now);")
  local moment = ffi.new("moment")
  now = function()
    ffi.C.clock_gettime(1, moment)
    return tonumber(moment.s) * 1e6 + tonumber(moment.ns) / 1e3
  end
end
local begun = 0
latencies = {}

function post(body)
  begun = now()
  return head .. #body .. "\r\n\r\n" .. body
end

-- A request with one item.
function mark(user, peer, what)
  return post(
    '{"From_Account":"' .. letter .. 1000000 + user .. '","MarkItem":[{"OptType":1,"ContactItem":{"Type":1,"To_Account":"p'
      .. 1000000 + peer .. '"},' .. what .. "}]}"
  )
end

-- The positions of the bits of an 8-bit number that are equal to `wanted`, plus 40, as a JSON list. The loads of wrk set bit 48, and
-- those of pgbench clear it, so that each changes the rows that the other has stored.
local function bits(number, wanted)
  local list = {}
  for nr = 0, 7 do
    if math.floor(number / 2 ^ nr) % 2 == wanted then list[#list + 1] = 40 + nr end
  end
  if wanted == 1 then list[#list + 1] = 48 end
  return table.concat(list, ",")
end

-- The marks that set the bits 40 to 47 of a conversation to an 8-bit number.
marks = {}
for number = 0, 255 do
  marks[number] = '"SetMark":[' .. bits(number, 1) .. '],"ClearMark":[' .. bits(number, 0) .. "]"
end

-- A permutation of 0 to `count` - 1. Neighbours in its order are far apart.
function walk(n, count)
  return (n * 7919 + stamp * 104729) % count
end

local threads = {}

function setup(thread)
  thread:set("thread_nr", #threads)
  threads[#threads + 1] = thread
end

function response(status, headers, body)
  answers = answers + 1
  if measured then latencies[answers] = now() - begun end
  if not worked(status, body) then
    failures = failures + 1
    if first_failure == "" then first_failure = body:sub(1, 400):gsub('[\\"%c]', " ") end
  end
end

function done(summary, latency, requests)
  local failures, first_failure, next_number = 0, "", 0
  for _, thread in ipairs(threads) do
    next_number = math.max(next_number, thread:get("last") + 1)
    failures = failures + thread:get("failures")
    if first_failure == "" then first_failure = thread:get("first_failure") end
  end
  local p50, p99 = latency:percentile(50), latency:percentile(99)
  if measured then
    local sorted = threads[1]:get("latencies")
    table.sort(sorted)
    p50, p99 = sorted[math.ceil(#sorted * 0.5)], sorted[math.ceil(#sorted * 0.99)]
  end
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"answers":%d,"seconds":%.6f,"failures":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"next_number":%d,"first_failure":"%s"}\n',
    summary.requests, summary.duration / 1e6, failures,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    p50, p99, latency.max, next_number, first_failure
  ))
end
