-- inspect_dead.sql: how many dead letters each queue has that were neither retried nor discarded.
SELECT queue, count(*) AS dead FROM tidegate.dead_letters WHERE retried_as IS NULL AND discarded_at IS NULL GROUP BY queue
