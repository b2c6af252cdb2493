-- register.sql: a node begins its life, with a lease of `lease` seconds, or takes it up again; no row: that identity is dead.
INSERT INTO tidegate.nodes AS n (id, host, pid, version, queues, expires)
VALUES (%(node)s, %(host)s, %(pid)s, %(version)s, %(queues)s::text[], clock_timestamp() + %(lease)s * interval '1 second')
ON CONFLICT (id) DO UPDATE SET expires = excluded.expires, beat_at = clock_timestamp(), queues = excluded.queues WHERE NOT n.dead
RETURNING id
