-- inspect_dead.sql: how many dead letters each queue has that were not retried.
SELECT queue, count(*) AS dead FROM tidegate.dead_letters WHERE retried_as IS NULL GROUP BY queue
