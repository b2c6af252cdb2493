-- know_kinds.sql: a live node says which kinds it knows (protocol K1). Ordered, so that two nodes cannot deadlock.
INSERT INTO tidegate.kinds (kind, seen_at)
SELECT kind, clock_timestamp() FROM unnest(%(kinds)s::text[]) AS k (kind) ORDER BY kind
ON CONFLICT (kind) DO UPDATE SET seen_at = excluded.seen_at
