-- letters_discard.sql: takes open dead letters that match off the list, up to `n` at a time and none newer than `upto`; they stay until
-- their retention is over.
WITH wanted AS MATERIALIZED (
    SELECT id FROM tidegate.dead_letters
    WHERE retried_as IS NULL AND discarded_at IS NULL AND id <= %(upto)s
        AND {{letters_matching}}
    ORDER BY id LIMIT %(n)s FOR UPDATE SKIP LOCKED
)
UPDATE tidegate.dead_letters AS d SET discarded_at = statement_timestamp() FROM wanted
WHERE d.id = wanted.id RETURNING d.id
