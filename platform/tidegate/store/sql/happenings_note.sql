-- happenings_note.sql: something that the leader has seen by looking, for one channel.
INSERT INTO tidegate.happenings (event, grp, channel, facts) VALUES (%(event)s, %(grp)s, %(channel)s, %(facts)s::json)
