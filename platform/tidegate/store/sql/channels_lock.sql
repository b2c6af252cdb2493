-- channels_lock.sql: what each channel was told and holds back, locked, so that two leaders decide one after the other.
SELECT name, extract(epoch FROM since)::float8 AS since, memory, extract(epoch FROM clock_timestamp())::float8 AS now
FROM tidegate.notification_channels WHERE name = ANY (%(names)s::text[])
ORDER BY name FOR UPDATE
