-- prune_errors.sql: groups of errors that were not seen for `age` seconds, and those beyond the `most` that were seen last.
DELETE FROM tidegate.errors WHERE fingerprint IN (
    SELECT fingerprint FROM tidegate.errors
    WHERE last_seen < greatest(
        clock_timestamp() - %(age)s * interval '1 second',
        (SELECT last_seen FROM tidegate.errors ORDER BY last_seen DESC OFFSET %(most)s LIMIT 1)
    )
    ORDER BY last_seen LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
