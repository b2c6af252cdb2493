-- prune_dead_letters_beyond.sql: dead letters beyond the newest `most`, the oldest first, a batch at a time.
DELETE FROM tidegate.dead_letters WHERE id IN (
    SELECT id FROM tidegate.dead_letters
    WHERE id <= (SELECT id FROM tidegate.dead_letters ORDER BY id DESC OFFSET %(most)s LIMIT 1)
    ORDER BY id LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
