-- Whether a list ends in these ids, in the order in which they were taken: so it mostly does, and is cut in one.
local function ends_in(list, ids)
  local n = #ids
  local tail = redis.pcall('LRANGE', list, -n, -1)
  if #tail ~= n then return false end
  for i = 1, n do
    if tail[n + 1 - i] ~= ids[i] then return false end
  end
  return true
end

-- Those of the ids that a list still holds; the others are refused, and all of a list that is none.
local function held_of(list, ids)
  if ends_in(list, ids) then return ids, true end
  local held = {}
  for i = 1, #ids do
    if type(redis.pcall('LPOS', list, ids[i])) == 'number' then held[#held + 1] = ids[i]
    else refused[#refused + 1] = ids[i] end
  end
  return held, false
end

local function strike(list, ids, at_the_end)
  if at_the_end then return redis.call('LTRIM', list, 0, -#ids - 1) end
  for i = 1, #ids do redis.call('LREM', list, -1, ids[i]) end
end
