-- scaling_orders.sql: what holds for the size of each queue: the leader's last decision and its age, and what was said by hand.
SELECT coalesce(t.queue, c.queue) AS queue, t.want, t.reason, t.need, t.shares::text AS shares, t.ready, t.service,
    extract(epoch FROM clock_timestamp() - t.decided_at)::float8 AS age, coalesce(c.paused, false) AS paused,
    CASE WHEN c.scale_until IS NULL OR c.scale_until > clock_timestamp() THEN c.scale END AS scale
FROM tidegate.queue_targets AS t FULL JOIN tidegate.queue_controls AS c USING (queue)
