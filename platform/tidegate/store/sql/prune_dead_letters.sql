-- prune_dead_letters.sql: dead letters past their retention, a batch at a time.
DELETE FROM tidegate.dead_letters WHERE id IN (
    SELECT id FROM tidegate.dead_letters WHERE died_at < clock_timestamp() - %(age)s * interval '1 second' LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
