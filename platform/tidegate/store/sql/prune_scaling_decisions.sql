-- prune_scaling_decisions.sql: decisions older than `kept` seconds.
DELETE FROM tidegate.scaling_decisions WHERE id IN (
    SELECT id FROM tidegate.scaling_decisions WHERE at < clock_timestamp() - %(kept)s * interval '1 second' ORDER BY at LIMIT %(n)s
)
