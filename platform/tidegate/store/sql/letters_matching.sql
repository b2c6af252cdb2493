-- letters_matching.sql: which dead letters are meant; a part of the statements that name it.
(%(ids)s::bigint[] IS NULL OR id = ANY (%(ids)s::bigint[]))
AND (%(groups)s::text[] IS NULL OR fingerprint = ANY (%(groups)s::text[]))
AND (%(kinds)s::text[] IS NULL OR kind = ANY (%(kinds)s::text[]))
AND (%(queues)s::text[] IS NULL OR queue = ANY (%(queues)s::text[]))
AND (%(reasons)s::text[] IS NULL OR reason = ANY (%(reasons)s::text[]))
AND (%(died_before)s::timestamptz IS NULL OR died_at <= %(died_before)s::timestamptz)
AND (%(died_after)s::timestamptz IS NULL OR died_at >= %(died_after)s::timestamptz)
AND (%(text)s::text IS NULL OR concat_ws(' ', error_type, error_message, kind) ILIKE %(text)s::text)
