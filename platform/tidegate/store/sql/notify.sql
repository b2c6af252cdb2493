-- notify.sql: tells the nodes; sent after the commit of what it is about.
SELECT pg_notify('tidegate', payload) FROM unnest(%(payloads)s::text[]) AS p (payload)
