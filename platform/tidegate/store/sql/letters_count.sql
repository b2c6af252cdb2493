-- letters_count.sql: how many open dead letters match, and the newest of all letters, up to which a redrive goes.
SELECT count(*) AS count, (SELECT coalesce(max(id), 0) FROM tidegate.dead_letters) AS upto
FROM tidegate.dead_letters
WHERE retried_as IS NULL AND discarded_at IS NULL
    AND {{letters_matching}}
