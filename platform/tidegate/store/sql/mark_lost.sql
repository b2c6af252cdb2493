-- mark_lost.sql: nodes whose lease ran out are dead from here on; committed before any of their jobs is touched (protocol L4).
-- Whoever is to be told finds it among the happenings.
WITH lost AS (
    UPDATE tidegate.nodes SET dead = true
    WHERE id IN (SELECT id FROM tidegate.nodes WHERE NOT dead AND expires < clock_timestamp() FOR UPDATE SKIP LOCKED)
    RETURNING id, host, pid, queues
), told AS (
    INSERT INTO tidegate.happenings (event, grp, facts)
    SELECT 'node_lost', host, json_build_object('node', id, 'host', host, 'pid', pid, 'queues', queues, 'why', 'its lease ran out') FROM lost
)
SELECT id FROM lost
