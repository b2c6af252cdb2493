-- lost_nodes.sql: nodes that hold running jobs and are dead or gone (protocol L4), and what they said at their end (L7).
SELECT lost.node, n.accusation::text
FROM (SELECT DISTINCT node FROM tidegate.jobs WHERE state = 'running') AS lost LEFT JOIN tidegate.nodes AS n ON n.id = lost.node
WHERE n.id IS NULL OR n.dead
ORDER BY lost.node
