-- ack.sql: reports outcomes of one node's jobs; ignores those whose lease was lost (matched on id, lease and node: protocol L3).
-- Finished rows move to the history, dead ones to the dead letters, the others stay, all in this one statement; a job whose
-- cancellation was asked for is not kept, and ends as cancelled. An array may be shorter than `ids`: what it does not say is the
-- usual (unnest pads it).
-- The node travels as a column: as a constant it would be looked up in statistics that have never seen it, and a plan that expects no
-- row of it joins every ack with every running job (150 ms for 1,000 acks instead of 6). The ids are said twice: as an array they lead
-- through the primary key, whatever the planner makes of the length of unnest.
-- Returns what was applied.
WITH acks AS MATERIALIZED (
    SELECT %(node)s::text AS node, a.id, a.lease, coalesce(a.state, 'completed') AS state, coalesce(a.word, 'done') AS word, coalesce(a.delay, 0) AS delay,
        coalesce(a.charged, true) AS charged, coalesce(a.innocent, false) AS innocent, a.duration, a.error_type, a.error_message,
        a.traceback, a.reason, a.result, a.meta, a.output, a.forensics, a.fingerprint, a.locals,
        statement_timestamp() - least(a.age, 3600) * interval '1 second' AS finished_at
    FROM unnest(
        %(ids)s::bigint[], %(leases)s::integer[], %(states)s::text[], %(words)s::text[], %(delays)s::float8[], %(charged)s::boolean[],
        %(durations)s::float8[], %(ages)s::float8[], %(error_types)s::text[], %(error_messages)s::text[], %(tracebacks)s::text[],
        %(innocents)s::boolean[], %(reasons)s::text[], %(results)s::text[], %(metas)s::text[], %(outputs)s::text[],
        %(forensics)s::text[], %(fingerprints)s::text[], %(locals)s::text[]
    ) AS a (
        id, lease, state, word, delay, charged, duration, age, error_type, error_message, traceback, innocent, reason, result, meta, output,
        forensics, fingerprint, locals
    )
), gone AS (
    DELETE FROM tidegate.jobs AS j USING acks AS a
    WHERE j.id = ANY (%(ids)s::bigint[]) AND j.id = a.id AND j.lease = a.lease AND j.node = a.node
        AND (a.state IN ('completed', 'cancelled', 'dead') OR j.cancel_requested)
    RETURNING j.id, j.queue, j.kind, j.priority, j.seq, j.attempt, j.lease, j.max_attempts, j.crashes, j.enqueued_at, j.run_at, j.args,
        coalesce(a.meta::json, j.meta) AS meta, j.unique_key, j.node, a.duration, a.finished_at, a.error_type, a.error_message, a.traceback,
        a.reason, a.result, a.output, a.forensics, a.fingerprint, a.locals,
        CASE WHEN a.state IN ('scheduled', 'ready') THEN 'cancelled' ELSE a.state END AS state,
        CASE
            WHEN a.state IN ('scheduled', 'ready') AND a.word NOT IN ('crashed', 'lease_lost') THEN 'cancelled' ELSE a.word
        END AS word,
        a.word = 'released' OR (a.state = 'cancelled' AND NOT a.charged) AS unstarted
), kept AS (
    UPDATE tidegate.jobs AS j
    SET state = a.state, node = NULL, claimed_at = NULL, permit_circuit = NULL, permit_gen = NULL,
        attempt = j.attempt - (NOT a.charged)::integer, meta = coalesce(a.meta::json, j.meta),
        run_at = CASE a.state WHEN 'scheduled' THEN statement_timestamp() + a.delay * interval '1 second' ELSE j.run_at END,
        crashes = CASE
            WHEN a.word = 'released' OR a.innocent THEN j.crashes
            WHEN a.word IN ('lease_lost', 'crashed') THEN j.crashes + 1
            ELSE 0
        END,
        suspect = CASE WHEN a.word = 'released' OR a.innocent THEN j.suspect ELSE a.word = 'lease_lost' END
    FROM acks AS a
    WHERE j.id = ANY (%(ids)s::bigint[]) AND j.id = a.id AND j.lease = a.lease AND j.node = a.node
        AND a.state IN ('scheduled', 'ready') AND NOT j.cancel_requested
    RETURNING j.id, j.queue, j.kind, j.priority, j.seq, j.attempt + (NOT a.charged)::integer AS attempt, j.lease, a.word, a.duration,
        a.finished_at, a.error_type, a.error_message, a.traceback, a.output, a.fingerprint, a.locals, a.state
), applied AS (
    SELECT id, attempt, lease, word, duration, finished_at, error_type, error_message, traceback, output, fingerprint, locals, state
    FROM gone
    UNION ALL
    SELECT id, attempt, lease, word, duration, finished_at, error_type, error_message, traceback, output, fingerprint, locals, state
    FROM kept
), archived AS (
    INSERT INTO tidegate.history (id, queue, kind, state, priority, attempt, lease, max_attempts, enqueued_at, run_at, started_at,
        finished_at, duration, node, args, meta, result, error_type, error_message)
    SELECT id, queue, kind, state, priority, attempt - unstarted::integer, lease, max_attempts, enqueued_at, run_at,
        finished_at - duration * interval '1 second', finished_at, duration, node, args, meta, result::json, error_type, error_message
    FROM gone WHERE state IN ('completed', 'cancelled')
), told_attempts AS (
    INSERT INTO tidegate.attempts (job_id, lease, attempt, outcome, node, started_at, finished_at, duration, error_type, error_message,
        traceback, output, fingerprint, locals)
    SELECT id, lease, attempt, word, %(node)s, finished_at - duration * interval '1 second', finished_at, duration, error_type,
        error_message, traceback, output, fingerprint, locals::json
    FROM applied WHERE word <> 'done' OR lease > 1 OR output IS NOT NULL
), buried AS (
    INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, reason,
        node, args, meta, unique_key, error_type, error_message, fingerprint, attempts, forensics)
    SELECT g.id, g.queue, g.kind, g.priority, g.attempt, g.lease, g.max_attempts,
        CASE WHEN g.word IN ('lease_lost', 'crashed') THEN g.crashes + 1 ELSE g.crashes END,
        g.enqueued_at, g.run_at, g.reason, g.node, g.args, g.meta, g.unique_key, g.error_type, g.error_message,
        coalesce(g.fingerprint, ''),
        (
            SELECT json_agg(told ORDER BY told.lease)
            FROM (
                SELECT t.attempt, t.lease, t.outcome, t.started_at, t.finished_at, t.duration, t.node, t.error_type, t.error_message,
                    t.traceback, t.output, t.fingerprint, t.locals
                FROM tidegate.attempts AS t WHERE t.job_id = g.id
                UNION ALL
                SELECT g.attempt, g.lease, g.word, g.finished_at - g.duration * interval '1 second', g.finished_at, g.duration, g.node,
                    g.error_type, g.error_message, g.traceback, g.output, g.fingerprint, g.locals::json
            ) AS told
        ),
        g.forensics::json
    FROM gone AS g WHERE g.state = 'dead'
), told AS MATERIALIZED (
    SELECT pg_notify('tidegate', json_build_object('queue', queue, 'ready', json_object_agg(priority, seq))::text)
    FROM (SELECT queue, priority, min(seq) AS seq FROM kept WHERE state = 'ready' GROUP BY queue, priority) AS places
    GROUP BY queue
)
SELECT id, lease, state, (SELECT count(*) FROM told) AS told FROM applied
