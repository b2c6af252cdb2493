-- snapshot.sql: the depth of every queue that has jobs or is named, exact up to `exact`, at a cost that does not grow with them.
-- heads steps from one (queue, priority) to the next through the claim's index; the first row of each is its oldest.
WITH RECURSIVE heads AS (
    (SELECT queue, priority, run_at FROM tidegate.jobs WHERE state = 'ready' ORDER BY queue, priority, seq LIMIT 1)
    UNION ALL
    SELECT next.queue, next.priority, next.run_at
    FROM heads AS h CROSS JOIN LATERAL (
        SELECT queue, priority, run_at FROM tidegate.jobs
        WHERE state = 'ready' AND (queue, priority) > (h.queue, h.priority)
        ORDER BY queue, priority, seq LIMIT 1
    ) AS next
), waiting AS (
    (SELECT queue FROM tidegate.jobs WHERE state = 'scheduled' ORDER BY queue LIMIT 1)
    UNION ALL
    SELECT next.queue
    FROM waiting AS w CROSS JOIN LATERAL (
        SELECT queue FROM tidegate.jobs WHERE state = 'scheduled' AND queue > w.queue ORDER BY queue LIMIT 1
    ) AS next
), held AS (
    SELECT queue, count(*) AS running FROM tidegate.jobs WHERE state = 'running' GROUP BY queue
), names AS (
    SELECT unnest(%(queues)s::text[]) AS queue
    UNION SELECT queue FROM heads UNION SELECT queue FROM waiting UNION SELECT queue FROM held
)
SELECT names.queue,
    (SELECT count(*) FROM (
        SELECT FROM tidegate.jobs WHERE state = 'scheduled' AND queue = names.queue LIMIT %(exact)s + 1
    ) AS s) AS scheduled,
    (SELECT count(*) FROM (
        SELECT FROM tidegate.jobs WHERE state = 'ready' AND queue = names.queue LIMIT %(exact)s + 1
    ) AS r) AS ready,
    coalesce(held.running, 0) AS running,
    (SELECT extract(epoch FROM clock_timestamp() - min(run_at))::float8 FROM heads WHERE heads.queue = names.queue) AS oldest_ready_age,
    coalesce(controls.paused, false) AS paused
FROM names LEFT JOIN held USING (queue) LEFT JOIN tidegate.queue_controls AS controls USING (queue)
ORDER BY names.queue
