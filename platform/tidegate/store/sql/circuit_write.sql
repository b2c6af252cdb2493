-- circuit_write.sql: writes circuits that nobody else has written since they were read, and returns their names; the others are to
-- be read again. A transition leaves its event and tells the nodes in this same statement, so that there is one of it, whoever else
-- saw the outcomes that brought it. Permits change by what was given back, and begin anew with a generation (protocol C1).
WITH input AS MATERIALIZED (
    SELECT i.*, (i.event ->> 'from_state') AS from_state
    FROM json_to_recordset(%(rows)s::json) AS i (
        name text, version bigint, gen bigint, state text, gates boolean, observe boolean, reason text, until float8, opened_at float8,
        ramp_from float8, ramp_step float8, trips integer, calls integer, failures integer, slow integer, probes_ok integer,
        probes_failed integer, places integer, back integer, kinds text[], config json, actor text, note text, memory json, event json
    )
), locked AS MATERIALIZED (
    SELECT c.name FROM tidegate.circuits AS c JOIN input AS i ON i.name = c.name AND i.version = c.version
    ORDER BY c.name FOR UPDATE OF c
), written AS (
    UPDATE tidegate.circuits AS c
    SET version = c.version + 1, gen = i.gen, state = i.state, gates = i.gates, observe = i.observe, reason = i.reason,
        until = to_timestamp(i.until), opened_at = to_timestamp(i.opened_at),
        permits = CASE WHEN c.gen = i.gen THEN greatest(c.permits - i.back, 0) ELSE 0 END,
        places = i.places, ramp_from = to_timestamp(i.ramp_from), ramp_step = i.ramp_step,
        carried = CASE WHEN c.gen = i.gen THEN c.carried WHEN i.ramp_from IS NULL THEN 0 ELSE greatest(c.permits - i.back, 0) END,
        trips = i.trips, calls = i.calls, failures = i.failures, slow = i.slow, probes_ok = i.probes_ok, probes_failed = i.probes_failed,
        kinds = i.kinds, config = i.config, actor = i.actor, note = i.note, memory = i.memory,
        changed_at = CASE WHEN i.from_state IS NULL THEN c.changed_at ELSE clock_timestamp() END
    FROM input AS i JOIN locked ON locked.name = i.name
    WHERE c.name = i.name AND c.version = i.version
    RETURNING c.name, c.gen, c.state, c.reason, c.until, c.actor, c.note
), alarmed AS (
    INSERT INTO tidegate.happenings (event, grp, facts)
    SELECT 'circuit_opened', w.name, json_build_object('circuit', w.name, 'state', w.state, 'from', i.from_state, 'reason', w.reason,
        'calls', (i.event ->> 'n')::integer, 'failures', (i.event ->> 'failed')::integer, 'slow', (i.event ->> 'slow')::integer,
        'until', w.until, 'kinds', i.kinds, 'top_errors', i.event -> 'top_errors', 'actor', w.actor, 'note', w.note)
    FROM written AS w JOIN input AS i ON i.name = w.name AND i.from_state IS NOT NULL
    WHERE w.state IN ('open', 'forced_open') AND i.from_state NOT IN ('open', 'forced_open')
), told AS (
    INSERT INTO tidegate.circuit_events (circuit, gen, from_state, to_state, reason, n, failed, slow, until, top_errors, sample_job_ids,
        node, actor, note)
    SELECT w.name, w.gen, i.from_state, w.state, w.reason, (i.event ->> 'n')::integer, (i.event ->> 'failed')::integer,
        (i.event ->> 'slow')::integer, w.until, (i.event -> 'top_errors')::jsonb,
        ARRAY(SELECT value::bigint FROM json_array_elements_text(i.event -> 'sample_job_ids')), %(node)s, w.actor, w.note
    FROM written AS w JOIN input AS i ON i.name = w.name AND i.from_state IS NOT NULL
    RETURNING circuit, gen, to_state
), heard AS MATERIALIZED (
    SELECT pg_notify('tidegate_circuit', json_build_object('circuit', circuit, 'gen', gen, 'state', to_state)::text) FROM told
)
SELECT name, (SELECT count(*) FROM heard) AS heard FROM written
