-- prune_circuits.sql: removes what circuits went through more than `age` seconds ago, and circuits that no node has known for as long.
WITH past AS (
    DELETE FROM tidegate.circuit_events WHERE at < clock_timestamp() - %(age)s * interval '1 second'
)
DELETE FROM tidegate.circuits
WHERE seen_at < clock_timestamp() - %(age)s * interval '1 second' AND changed_at < clock_timestamp() - %(age)s * interval '1 second'
    AND permits = 0
