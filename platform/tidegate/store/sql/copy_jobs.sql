-- copy_jobs.sql: brings jobs whose ids and places were reserved.
COPY tidegate.jobs (id, seq, state, run_at, priority, max_attempts, queue, kind, args, meta) FROM STDIN
