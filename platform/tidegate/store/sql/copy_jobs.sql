-- copy_jobs.sql: brings jobs whose ids and places were reserved, their fields in this order.
COPY tidegate.jobs (id, seq, args, state, run_at, priority, max_attempts, queue, kind, meta) FROM STDIN (FORMAT binary)
