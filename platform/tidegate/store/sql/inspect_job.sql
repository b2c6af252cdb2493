-- inspect_job.sql: everything about one job, wherever it is: one statement, so that a job on its way from one place to another is not missed.
-- A dead letter's own copy of its attempts outlives theirs.
SELECT found.*,
    coalesce(found.kept, (
        SELECT json_agg(told ORDER BY told.lease)
        FROM (
            SELECT t.attempt, t.lease, t.outcome, t.started_at, t.finished_at, t.duration, t.node, t.error_type, t.error_message,
                t.traceback, t.output, t.fingerprint, t.locals
            FROM tidegate.attempts AS t WHERE t.job_id = found.id
        ) AS told
    )::text, '[]') AS attempts
FROM (
    SELECT id, queue, kind, state, priority, attempt, max_attempts, enqueued_at, run_at, claimed_at AS started_at,
        NULL::timestamptz AS finished_at, lease, node, crashes::integer, cancel_requested, args::text, meta::text, NULL::text AS result,
        NULL::float8 AS duration, NULL::text AS error_type, NULL::text AS error_message, NULL::text AS reason,
        NULL::bigint AS retried_as, NULL::text AS kept
    FROM tidegate.jobs WHERE id = %(id)s
    UNION ALL
    SELECT id, queue, kind, state, priority, attempt, max_attempts, enqueued_at, run_at, started_at, finished_at, lease, node, 0,
        false, args::text, meta::text, result::text, duration, error_type, error_message, NULL, NULL, NULL
    FROM tidegate.history WHERE id = %(id)s
    UNION ALL
    SELECT job_id, queue, kind, 'dead', priority, attempt, max_attempts, enqueued_at, run_at,
        (attempts -> -1 ->> 'started_at')::timestamptz, died_at, lease, node, crashes, false, args::text, meta::text, NULL,
        (attempts -> -1 ->> 'duration')::float8, error_type, error_message, reason, retried_as, attempts::text
    FROM tidegate.dead_letters WHERE job_id = %(id)s
) AS found
LIMIT 1
