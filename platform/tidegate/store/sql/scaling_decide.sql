-- scaling_decide.sql: writes down what the leader decided; no row: the node does not lead any more, and nothing was written.
WITH authority AS (
    SELECT node FROM tidegate.leader WHERE node = %(node)s AND expires > clock_timestamp()
), told AS (
    SELECT * FROM unnest(
        %(queues)s::text[], %(wants)s::integer[], %(reasons)s::text[], %(needs)s::float8[], %(shares)s::text[], %(readies)s::integer[],
        %(services)s::float8[]
    ) AS t (queue, want, reason, need, shares, ready, service)
), targets AS (
    INSERT INTO tidegate.queue_targets AS q (queue, want, reason, need, shares, ready, service, node)
    SELECT t.queue, t.want, t.reason, t.need, t.shares::json, t.ready, t.service, l.node FROM told AS t CROSS JOIN authority AS l ORDER BY t.queue
    ON CONFLICT (queue) DO UPDATE SET want = excluded.want, reason = excluded.reason, need = excluded.need, shares = excluded.shares,
        ready = excluded.ready, service = excluded.service, node = excluded.node, decided_at = clock_timestamp()
), logged AS (
    INSERT INTO tidegate.scaling_decisions (node, queue, acted, from_size, to_size, need, reason, ready, busy, alive, oldest_age, seconds,
        arrived, completed, service_sum, service_sum_sq)
    SELECT authority.node, d.* FROM json_to_recordset(%(log)s::json) AS d (queue text, acted boolean, from_size integer, to_size integer,
        need float8, reason text, ready integer, busy integer, alive integer, oldest_age float8, seconds float8, arrived bigint,
        completed bigint, service_sum float8, service_sum_sq float8) CROSS JOIN authority
)
SELECT node FROM authority
