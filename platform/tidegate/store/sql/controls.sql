-- controls.sql: what was said by hand about the queues.
SELECT queue, paused, scale, scale_until FROM tidegate.queue_controls
