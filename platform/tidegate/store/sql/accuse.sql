-- accuse.sql: a node that is about to end itself is dead from here on, and says which of its jobs made it so (protocol L7).
-- Whoever is to be told finds it among the happenings.
WITH ended AS (
    UPDATE tidegate.nodes SET dead = true, accusation = %(accusation)s::json WHERE id = %(node)s AND NOT dead
    RETURNING id, host, pid, queues, accusation
), told AS (
    INSERT INTO tidegate.happenings (event, grp, facts)
    SELECT 'node_lost', host, json_build_object('node', id, 'host', host, 'pid', pid, 'queues', queues, 'why', left(accusation ->> 'why', 500))
    FROM ended
)
SELECT id FROM ended
