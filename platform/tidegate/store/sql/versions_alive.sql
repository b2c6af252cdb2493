-- versions_alive.sql: the other versions of Tidegate of which nodes live.
SELECT DISTINCT version FROM tidegate.nodes
WHERE NOT dead AND expires > clock_timestamp() AND version <> %(version)s
ORDER BY version
