-- A beat is '<counter> <number>': raised to say alive, and the number of the last load of outcomes that was applied, if
-- there was one. Or it is a mark, 'struck <ms>': this start was taken for dead, and is to do nothing any more.
local function is_struck(beat)
  return beat and string.sub(beat, 1, 6) == 'struck'
end

local function parts_of(beat)
  local counter, number = string.match(beat or '', '^(%d+) ?(%d*)$')
  return tonumber(counter) or 0, tonumber(number) or 0
end

local function beat_of(counter, number)
  return string.format(number > 0 and '%.0f %.0f' or '%.0f', counter, number)
end

local function raised(beat)
  local counter, number = parts_of(beat)
  return beat_of(counter + 1, number)
end
