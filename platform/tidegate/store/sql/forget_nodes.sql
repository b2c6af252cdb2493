-- forget_nodes.sql: rows of nodes long dead that hold nothing any more; a node's row goes last of all (protocol L4).
DELETE FROM tidegate.nodes AS n
WHERE n.dead AND n.expires < clock_timestamp() - %(age)s * interval '1 second'
    AND NOT EXISTS (SELECT FROM tidegate.jobs AS j WHERE j.state = 'running' AND j.node = n.id)
