-- Withdrawals for wrk, each thread from one process of the service, and the result as one line of
-- JSON. ADDRESSES has the processes as host:port, ACCOUNTS the number of accounts.

local threads = {}

function setup(thread)
  local addresses = {}
  for host, port in os.getenv("ADDRESSES"):gmatch("([%d.]+):(%d+)") do
    table.insert(addresses, wrk.lookup(host, port)[1])
  end
  thread.addr = addresses[#threads % #addresses + 1]
  thread:set("seed", #threads)
  table.insert(threads, thread)
end

function init()
  math.randomseed(seed)
  booked, busy, other = 0, 0, 0
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
  wrk.body = '{"amount": 1}'
  accounts = tonumber(os.getenv("ACCOUNTS"))
end

-- Every second request is for account 1.
function request()
  local account = math.random(2) == 1 and 1 or math.random(accounts)
  return wrk.format(nil, "/accounts/" .. account .. "/withdrawals")
end

function response(status, headers)
  if status == 200 then
    booked = booked + 1
  elseif status == 409 and headers["retry-after"] then
    busy = busy + 1
  else
    other = other + 1
  end
end

function done(summary, latency)
  local counts = { booked = 0, busy = 0, other = 0 }
  for _, thread in ipairs(threads) do
    for name, count in pairs(counts) do
      counts[name] = count + thread:get(name)
    end
  end
  local broken = summary.errors.connect + summary.errors.read + summary.errors.write
  io.write(string.format(
    '{"seconds": %f, "booked": %d, "busy": %d, "other": %d, "broken": %d, "timeouts": %d, '
      .. '"p50_us": %d, "p90_us": %d, "p99_us": %d, "max_us": %d}\n',
    summary.duration / 1e6, counts.booked, counts.busy, counts.other, broken,
    summary.errors.timeout, latency:percentile(50), latency:percentile(90),
    latency:percentile(99), latency.max))
end
