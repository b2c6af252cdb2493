-- scaling_fleet.sql: the live nodes, what each serves and says of its pools.
SELECT id AS node, queues, status::text AS status FROM tidegate.nodes WHERE NOT dead AND expires > clock_timestamp() ORDER BY id
