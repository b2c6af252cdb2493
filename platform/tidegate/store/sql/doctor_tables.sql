-- doctor_tables.sql: whether each of our tables is there, and may be read by whoever asks.
SELECT seen.name, seen.place IS NOT NULL AS present, coalesce(has_table_privilege(seen.place, 'SELECT'), false) AS readable
FROM (SELECT each.name, to_regclass('tidegate.' || each.name)::oid AS place FROM unnest(%(names)s::text[]) AS each (name)) AS seen
ORDER BY seen.name
