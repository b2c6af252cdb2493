-- letters_export.sql: open dead letters that match, whole, the oldest first, up to `n` with an id above `after`; and which database
-- they are from.
SELECT id, job_id, queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, died_at, reason, node,
    args::text AS args, meta::text AS meta, unique_key, error_type, error_message, fingerprint, attempts::text AS attempts,
    forensics::text AS forensics, redacted, origin, current_database() AS database
FROM tidegate.dead_letters
WHERE retried_as IS NULL AND discarded_at IS NULL AND id > %(after)s
    AND {{letters_matching}}
ORDER BY id LIMIT %(n)s
