-- error_status.sql: what was said by hand about a group of failures; `resolved` keeps the versions that had shown it by then.
UPDATE tidegate.errors SET status = %(status)s, changed_at = statement_timestamp(), changed_by = %(actor)s, changed_why = %(why)s,
    resolved_versions = CASE WHEN %(status)s = 'resolved' THEN versions ELSE resolved_versions END,
    regressed_at = CASE WHEN %(status)s = 'resolved' THEN NULL ELSE regressed_at END
WHERE fingerprint = ANY (%(fingerprints)s::text[])
RETURNING fingerprint
