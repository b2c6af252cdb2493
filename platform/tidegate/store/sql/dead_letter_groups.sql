-- dead_letter_groups.sql: the `n` largest groups of dead letters that nobody has dealt with, by fingerprint. Its cost grows with them.
SELECT fingerprint, min(kind) AS kind, coalesce(min(error_type), '') AS error, count(*) AS dead
FROM tidegate.dead_letters WHERE retried_as IS NULL AND fingerprint IS NOT NULL
GROUP BY fingerprint ORDER BY count(*) DESC, fingerprint LIMIT %(n)s
