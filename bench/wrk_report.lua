-- For wrk: `-- DEPTH [PATH...]` sends DEPTH requests at once, over the paths in turn, and ends with one line of JSON.
function init(args)
    local depth, paths = tonumber(args[1]), {}
    for i = 2, #args do paths[#paths + 1] = args[i] end
    if #paths == 0 then paths[1] = wrk.path end
    batches = {}
    for _, path in ipairs(paths) do
        batches[#batches + 1] = string.rep(wrk.format('GET', path), depth)
    end
    turn = 0
end

function request()
    turn = turn % #batches + 1
    return batches[turn]
end

function done(summary)
    local errors = summary.errors
    io.write(string.format('\n{"requests": %d, "seconds": %.6f, "bytes": %d, "errors": %d}\n', summary.requests,
                           summary.duration / 1e6, summary.bytes,
                           errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
