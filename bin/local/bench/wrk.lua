-- Sends one request again and again, and says at the end what came of it, as JSON.
-- Arguments: the method, and the body if there is one.

function init(args)
   wrk.method = args[1]
   wrk.body = args[2]
end

function done(summary, latency)
   local errors = summary.errors
   local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
   io.write(string.format('{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "failed": %d}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), failed))
end
