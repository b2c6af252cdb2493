-- count_dead_letters.sql: how many dead letters of each queue nobody has dealt with yet. Its cost grows with them.
SELECT queue, count(*) AS dead FROM tidegate.dead_letters WHERE retried_as IS NULL GROUP BY queue ORDER BY queue
