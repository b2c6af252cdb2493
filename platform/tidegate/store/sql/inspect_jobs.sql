-- inspect_jobs.sql: jobs wherever they are, newest first, up to `n` of them with an id below `before`.
-- Each place gives its own newest ones through its index on the id, and one that cannot have any of the states is not read at all.
SELECT id, queue, kind, state, priority, attempt, max_attempts, enqueued_at, run_at, started_at, finished_at
FROM (
    (
        SELECT id, queue, kind, state, priority, attempt, max_attempts, enqueued_at, run_at, claimed_at AS started_at,
            NULL::timestamptz AS finished_at
        FROM tidegate.jobs
        WHERE id < %(before)s AND state = ANY (%(states)s::text[])
            AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
            AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s::text[]))
        ORDER BY id DESC LIMIT %(n)s
    )
    UNION ALL
    (
        SELECT id, queue, kind, state, priority, attempt, max_attempts, enqueued_at, run_at, started_at, finished_at
        FROM tidegate.history
        WHERE id < %(before)s AND state = ANY (%(states)s::text[])
            AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
            AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s::text[]))
        ORDER BY id DESC LIMIT %(n)s
    )
    UNION ALL
    (
        SELECT job_id, queue, kind, 'dead', priority, attempt, max_attempts, enqueued_at, run_at,
            (attempts -> -1 ->> 'started_at')::timestamptz, died_at
        FROM (
            SELECT * FROM tidegate.dead_letters
            WHERE job_id < %(before)s AND 'dead' = ANY (%(states)s::text[])
                AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
                AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s::text[]))
            ORDER BY job_id DESC LIMIT %(n)s
        ) AS letters
    )
) AS found
ORDER BY id DESC LIMIT %(n)s
