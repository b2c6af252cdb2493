-- lost_nodes.sql: nodes that hold running jobs and are dead or gone (protocol L4).
SELECT DISTINCT j.node FROM tidegate.jobs AS j
WHERE j.state = 'running' AND NOT EXISTS (SELECT FROM tidegate.nodes AS n WHERE n.id = j.node AND NOT n.dead)
ORDER BY j.node
