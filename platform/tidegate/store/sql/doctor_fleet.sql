-- doctor_fleet.sql: what is wrong with the fleet itself: leadership, jobs of nodes that are gone, kinds that nobody handles.
SELECT (SELECT l.node FROM tidegate.leader AS l WHERE l.expires > clock_timestamp()) AS leader,
    (
        SELECT count(*) FROM tidegate.jobs AS j
        WHERE j.state = 'running' AND NOT EXISTS (SELECT FROM tidegate.nodes AS n WHERE n.id = j.node AND NOT n.dead)
    ) AS orphans,
    (
        SELECT array_agg(DISTINCT waiting.kind)
        FROM (SELECT kind FROM tidegate.jobs WHERE state = 'ready' LIMIT 10000) AS waiting
        WHERE NOT EXISTS (
            SELECT FROM tidegate.kinds AS k WHERE k.kind = waiting.kind AND k.seen_at > clock_timestamp() - %(age)s * interval '1 second'
        )
    ) AS unknown_kinds
