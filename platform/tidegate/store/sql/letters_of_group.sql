-- letters_of_group.sql: the fingerprints of dead letters and errors that begin with what was typed.
SELECT fingerprint FROM tidegate.errors WHERE starts_with(fingerprint, %(prefix)s)
UNION SELECT fingerprint FROM tidegate.dead_letters WHERE starts_with(fingerprint, %(prefix)s)
ORDER BY fingerprint LIMIT 10
