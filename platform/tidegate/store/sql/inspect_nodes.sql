-- inspect_nodes.sql: the live nodes and what each says of itself, the oldest first.
SELECT n.id, n.host, n.pid, n.version, n.started_at, extract(epoch FROM clock_timestamp() - n.beat_at)::float8 AS heartbeat_age, n.queues,
    n.status::text, n.said_at, extract(epoch FROM clock_timestamp() - n.said_at)::float8 AS said_age,
    extract(epoch FROM n.expires - n.beat_at)::float8 AS lease,
    EXISTS (SELECT FROM tidegate.leader AS l WHERE l.node = n.id AND l.expires > clock_timestamp()) AS leader
FROM tidegate.nodes AS n
WHERE NOT n.dead AND n.expires > clock_timestamp()
ORDER BY n.started_at, n.id
