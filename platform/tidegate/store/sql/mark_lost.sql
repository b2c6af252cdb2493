-- mark_lost.sql: nodes whose lease ran out are dead from here on; committed before any of their jobs is touched (protocol L4).
UPDATE tidegate.nodes SET dead = true
WHERE id IN (SELECT id FROM tidegate.nodes WHERE NOT dead AND expires < clock_timestamp() FOR UPDATE SKIP LOCKED)
RETURNING id
