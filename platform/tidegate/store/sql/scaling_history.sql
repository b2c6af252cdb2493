-- scaling_history.sql: a queue's decisions, the newest first, from a time on where one is given.
SELECT id, at, queue, node, acted, from_size, to_size, need, reason, ready, busy, alive, oldest_age, seconds, arrived, completed, service_sum,
    service_sum_sq
FROM tidegate.scaling_decisions
WHERE queue = %(queue)s AND (%(age)s::float8 IS NULL OR at > clock_timestamp() - %(age)s::float8 * interval '1 second')
ORDER BY id DESC LIMIT %(n)s
