-- happenings_take.sql: what happened and nobody was told of, the oldest first; it is gone once whoever took it commits.
WITH taken AS (
    DELETE FROM tidegate.happenings WHERE id IN (
        SELECT id FROM tidegate.happenings ORDER BY id LIMIT %(n)s FOR UPDATE SKIP LOCKED
    )
    RETURNING id, at, event, grp, channel, facts
)
SELECT extract(epoch FROM at)::float8 AS at, event, grp, channel, facts FROM taken ORDER BY id
