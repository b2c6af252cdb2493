-- controls.sql: what was said by hand about the queues.
SELECT queue, paused, CASE WHEN scale_until IS NULL OR scale_until > clock_timestamp() THEN scale END AS scale, scale_until
FROM tidegate.queue_controls
