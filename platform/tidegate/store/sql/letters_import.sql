-- letters_import.sql: takes dead letters in that came from another database, but not those that are here already: brought before, or
-- from here in the first place. Their jobs get ids of this database.
INSERT INTO tidegate.dead_letters (job_id, queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, died_at,
    reason, node, args, meta, unique_key, error_type, error_message, fingerprint, attempts, forensics, redacted, origin)
SELECT nextval('tidegate.job_id'), a.queue, a.kind, a.priority, a.attempt, a.lease, a.max_attempts, a.crashes, a.enqueued_at, a.run_at,
    a.died_at, a.reason, a.node, a.args::json, a.meta::json, a.unique_key, a.error_type, a.error_message, a.fingerprint,
    a.attempts::json, a.forensics::json, a.redacted, a.origin
FROM unnest(
    %(queues)s::text[], %(kinds)s::text[], %(priorities)s::smallint[], %(charged)s::integer[], %(leases)s::integer[],
    %(max_attempts)s::smallint[], %(crashes)s::smallint[], %(enqueued)s::timestamptz[], %(due)s::timestamptz[],
    %(died)s::timestamptz[], %(reasons)s::text[], %(nodes)s::text[], %(args)s::text[], %(metas)s::text[], %(unique_keys)s::text[],
    %(error_types)s::text[], %(error_messages)s::text[], %(fingerprints)s::text[], %(attempts)s::text[], %(forensics)s::text[],
    %(redacted)s::boolean[], %(origins)s::text[], %(first_ids)s::bigint[]
) AS a (
    queue, kind, priority, attempt, lease, max_attempts, crashes, enqueued_at, run_at, died_at, reason, node, args, meta, unique_key,
    error_type, error_message, fingerprint, attempts, forensics, redacted, origin, first_id
)
WHERE NOT EXISTS (
    SELECT FROM tidegate.dead_letters AS here
    WHERE here.id = a.first_id AND here.died_at = a.died_at AND here.kind = a.kind AND here.origin IS NULL
)
ON CONFLICT (origin) WHERE origin IS NOT NULL DO NOTHING
RETURNING id, redacted
