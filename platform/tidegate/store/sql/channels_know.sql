-- channels_know.sql: the channels of the leader's settings; a new one is told what happens from now on.
INSERT INTO tidegate.notification_channels AS c (name)
SELECT name FROM unnest(%(names)s::text[]) AS name ORDER BY name
ON CONFLICT (name) DO UPDATE SET seen_at = clock_timestamp()
