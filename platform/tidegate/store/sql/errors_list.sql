-- errors_list.sql: groups of failures, those seen last first.
SELECT e.*, coalesce((
    SELECT sum(h.count) FROM tidegate.error_hours AS h
    WHERE h.fingerprint = e.fingerprint AND h.hour > statement_timestamp() - interval '24 hours'
), 0)::bigint AS last_day
FROM tidegate.errors AS e
WHERE (%(statuses)s::text[] IS NULL OR e.status = ANY (%(statuses)s::text[]))
    AND (%(kinds)s::text[] IS NULL OR e.kinds && %(kinds)s::text[])
    AND (%(queues)s::text[] IS NULL OR e.queues && %(queues)s::text[])
    AND (%(text)s::text IS NULL OR concat_ws(' ', e.type, e.message, e.grounds) ILIKE %(text)s)
ORDER BY e.last_seen DESC LIMIT %(n)s
