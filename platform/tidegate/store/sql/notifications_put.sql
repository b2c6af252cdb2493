-- notifications_put.sql: what is to be sent.
INSERT INTO tidegate.notifications (channel, event, grp, body)
SELECT channel, event, grp, body FROM json_to_recordset(%(rows)s::json) AS r (channel text, event text, grp text, body json)
