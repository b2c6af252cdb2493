-- letter_edit.sql: an open dead letter gets other arguments and another meta; with them it is whole again.
UPDATE tidegate.dead_letters SET args = %(args)s::json, meta = %(meta)s::json, redacted = false
WHERE id = %(id)s AND retried_as IS NULL AND discarded_at IS NULL AND args::text = %(before)s
    AND meta::text IS NOT DISTINCT FROM %(before_meta)s
RETURNING id
