-- What all loads share: a request as text, and a look at every answer. The service says in its answer's body whether it
-- worked, so an answer counts as failed unless its body says that all of it did.

local path = os.getenv("BENCH_PATH")
local expected = os.getenv("BENCH_EXPECTED")
local head = "POST " .. path .. " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "

threads_max = tonumber(os.getenv("BENCH_THREADS"))
users = tonumber(os.getenv("BENCH_USERS"))
-- Differs from run to run, so that a run does not repeat what the run before it has stored.
stamp = tonumber(os.getenv("BENCH_STAMP"))

-- Answers list a ResultCode for each item.
has_items = true

answers, failures, first_failure = 0, 0, ""

-- Codes of failures have five digits, none of them a leading 0. Nine plain searches are faster than one for a pattern.
local failed_codes = {}
for digit = 1, 9 do
  failed_codes[digit] = 'Code":' .. digit
end

-- The end of an answer says whether it worked: to search all of a page for it would take longer than to receive it.
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

-- One connection's latencies, each as it was. wrk's own percentiles have made-up ones among them: for each answer that took
-- long it adds those of the requests that it would have sent meanwhile, which pgbench does not.
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

-- A JSON list of the bits 40 to 47 of a number of 8 bits: those that are `wanted`. Bit 48 tells these loads from pgbench's.
local function bits(number, wanted)
  local list = {}
  for nr = 0, 7 do
    if math.floor(number / 2 ^ nr) % 2 == wanted then list[#list + 1] = 40 + nr end
  end
  if wanted == 1 then list[#list + 1] = 48 end
  return table.concat(list, ",")
end

-- The marks that make a conversation's bits equal to a number of 8 bits.
marks = {}
for number = 0, 255 do
  marks[number] = '"SetMark":[' .. bits(number, 1) .. '],"ClearMark":[' .. bits(number, 0) .. "]"
end

-- The n-th of `count` numbers, each once: even over all of them, and far from its neighbours.
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
  local failures, first_failure = 0, ""
  for _, thread in ipairs(threads) do
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
    'RESULT {"answers":%d,"seconds":%.6f,"failures":%d,"socket_errors":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,"first_failure":"%s"}\n',
    summary.requests, summary.duration / 1e6, failures,
    errors.connect + errors.read + errors.write + errors.timeout + errors.status,
    p50, p99, latency.max, first_failure
  ))
end
