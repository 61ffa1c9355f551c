-- ms until the first delayed job is due, of ZRANGE's reply for it: at most 1e12; 0: it is due; -1: there is none.
local function wait_of(first)
  if first.err then return 0 end
  if not first[2] then return -1 end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + time[2] / 1000
  return math.min(math.max(math.ceil(tonumber(first[2]) - now), 0), 1e12)
end
