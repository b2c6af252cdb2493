-- lead.sql: takes or keeps the leadership for `ttl` seconds, on the database's clock; no row: another node leads.
INSERT INTO tidegate.leader AS l (node, expires) VALUES (%(node)s, clock_timestamp() + %(ttl)s * interval '1 second')
ON CONFLICT (only_row) DO UPDATE SET node = excluded.node, expires = excluded.expires
WHERE l.node = excluded.node OR l.expires < clock_timestamp()
RETURNING node
