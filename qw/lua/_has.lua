-- Whether a flat HGETALL reply has a field.
local function has(hash, field)
  for i = 1, #hash, 2 do
    if hash[i] == field then return true end
  end
  return false
end
