-- letters_list.sql: open dead letters that match, the newest first, up to `n` with an id below `before`.
SELECT id, job_id, queue, kind, died_at, reason, error_type, error_message, fingerprint, attempt AS attempts
FROM tidegate.dead_letters
WHERE retried_as IS NULL AND discarded_at IS NULL AND id < %(before)s
    AND {{letters_matching}}
ORDER BY id DESC LIMIT %(n)s
