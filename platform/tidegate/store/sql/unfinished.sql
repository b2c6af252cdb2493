-- unfinished.sql: what is left of these queues: to do now (ready, running, due within `soon` seconds), and what would stay behind.
SELECT q.queue, coalesce(c.paused, false) AS paused,
    EXISTS (SELECT FROM tidegate.jobs WHERE state = 'ready' AND queue = q.queue AND kind = ANY (%(kinds)s::text[])) AS ready,
    EXISTS (SELECT FROM tidegate.jobs WHERE state = 'ready' AND queue = q.queue AND kind = ANY (%(held)s::text[])) AS held,
    EXISTS (SELECT FROM tidegate.jobs WHERE state = 'running' AND queue = q.queue) AS running,
    EXISTS (
        SELECT FROM tidegate.jobs
        WHERE state = 'scheduled' AND queue = q.queue AND run_at <= clock_timestamp() + %(soon)s * interval '1 second'
    ) AS due,
    EXISTS (SELECT FROM tidegate.jobs WHERE state = 'scheduled' AND queue = q.queue) AS scheduled
FROM unnest(%(queues)s::text[]) WITH ORDINALITY AS q (queue, n) LEFT JOIN tidegate.queue_controls AS c USING (queue)
ORDER BY q.n
