-- circuit_load.sql: circuits as they are, in the order of their names; all of them where none is named (CircuitRecord has this order).
SELECT name, version, gen, state, gates, observe, reason, extract(epoch FROM until)::float8 AS until,
    extract(epoch FROM opened_at)::float8 AS opened_at, extract(epoch FROM ramp_from)::float8 AS ramp_from, trips, calls, failures, slow,
    probes_ok, probes_failed, places, permits, kinds, actor, note, extract(epoch FROM changed_at)::float8 AS changed_at,
    memory::text, config::text, extract(epoch FROM clock_timestamp())::float8 AS now
FROM tidegate.circuits
WHERE %(names)s::text[] IS NULL OR name = ANY (%(names)s::text[])
ORDER BY name
