-- channels_remember.sql: what each channel was told and holds back from here on.
UPDATE tidegate.notification_channels AS c SET memory = m.memory
FROM json_to_recordset(%(rows)s::json) AS m (name text, memory json) WHERE c.name = m.name
