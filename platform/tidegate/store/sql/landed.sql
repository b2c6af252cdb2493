-- landed.sql: which acks had been applied after all, though their answer was lost: each left its mark under (job, lease).
SELECT a.id, a.lease FROM unnest(%(ids)s::bigint[], %(leases)s::integer[]) AS a (id, lease)
WHERE EXISTS (SELECT FROM tidegate.history AS h WHERE h.id = a.id AND h.lease = a.lease)
    OR EXISTS (SELECT FROM tidegate.attempts AS t WHERE t.job_id = a.id AND t.lease = a.lease)
