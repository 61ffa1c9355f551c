-- The queue a job goes back to. A name that is not that of a list of jobs would lose it: then all:jobs.
local function queue_of(id)
  local queue = redis.pcall('HGET', prefix .. 'job:' .. id, 'qw:queue')
  if type(queue) == 'string' and string.sub(queue, -5) == ':jobs' then
    local kind = redis.call('TYPE', prefix .. queue).ok
    if kind == 'list' or kind == 'none' then return prefix .. queue end
  end
  return all_jobs
end
