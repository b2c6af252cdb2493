-- known_kinds.sql: the kinds that live nodes have known within `age` seconds; none where no node lives.
SELECT k.kind FROM tidegate.kinds AS k
WHERE k.seen_at > clock_timestamp() - %(age)s * interval '1 second'
    AND EXISTS (SELECT FROM tidegate.nodes AS n WHERE NOT n.dead AND n.expires > clock_timestamp())
ORDER BY k.kind
