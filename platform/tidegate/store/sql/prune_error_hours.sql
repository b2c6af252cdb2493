-- prune_error_hours.sql: counts by hour that are older than `age` seconds, or whose group is gone, a batch at a time.
DELETE FROM tidegate.error_hours WHERE (fingerprint, hour) IN (
    SELECT h.fingerprint, h.hour FROM tidegate.error_hours AS h
    WHERE h.hour < clock_timestamp() - %(age)s * interval '1 second'
        OR NOT EXISTS (SELECT FROM tidegate.errors AS e WHERE e.fingerprint = h.fingerprint)
    LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
