-- Deal the oldest jobs of a queue, one to each worker in turn, so that the oldest start first everywhere.
local turn = 0
local function next_taker(size, alone)
  while #wanting > 0 do
    turn = turn % #wanting + 1
    local mine = wanting[turn]
    if mine.room > 0 and (#mine.ids == 0 or not alone and mine.bytes + size <= MOST_BYTES_WORKER) then return mine end
    table.remove(wanting, turn)
    turn = turn - 1
  end
end

-- A job that a process or a manager has died of is alone in its batch: nothing else is thrown back if it does again.
local function is_suspicious(line)
  return string.find(line, '"qw:crashes"', 1, true) or string.find(line, '"qw:rescues"', 1, true)
end

-- Deal one job: 'taken', 'waiting' for the rescued one in hand, or 'full' when nobody can take it.
local function deal_one(id, queue)
  local line, why = read(id, queue)
  if not line then
    drop(id, why)
    return 'taken'
  end
  local alone = is_suspicious(line)
  local mine = next_taker(#line, alone)
  if not mine then return 'full' end
  if must_wait(line) then return 'waiting' end
  give(mine, id, line)
  if alone then mine.room = 0 end
  return 'taken'
end

local function room_left()
  local room = 0
  for i = 1, #wanting do room = room + wanting[i].room end
  return math.min(room, MOST_JOBS - jobs)
end

-- Of each source: how many ids were looked at, and those of them that stay.
local trims = {}

-- Deal from a queue; returns how many jobs are left there that could be dealt.
local function deal(source, queue)
  local left = redis.pcall('LLEN', source)
  if type(left) == 'table' then return 0 end
  local looked, waiting, full = 0, {}, false
  while not full and looked < math.min(left, MOST_LOOKED) and bytes < MOST_BYTES do
    local ask = math.min(room_left(), left - looked)
    if ask <= 0 then break end
    local found, before = redis.call('LRANGE', source, -looked - ask, -looked - 1), #waiting
    for i = #found, 1, -1 do
      local what = bytes < MOST_BYTES and deal_one(found[i], queue) or 'full'
      full = what == 'full'
      if full then break end
      if what == 'waiting' then waiting[#waiting + 1] = found[i] end
      looked = looked + 1
    end
    if #waiting == before then break end
  end
  if looked > #waiting then trims[#trims + 1] = {source, looked, waiting} end
  return left - looked
end

local function trim(source, looked, waiting)
  redis.call('LTRIM', source, 0, -looked - 1)
  for i = #waiting, 1, -1 do redis.call('RPUSH', source, waiting[i]) end
end
