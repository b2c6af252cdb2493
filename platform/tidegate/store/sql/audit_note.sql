-- audit_note.sql: who did what to which, and why.
INSERT INTO tidegate.audit (actor, action, subject, why) VALUES (%(actor)s, %(action)s, %(subject)s::json, %(why)s)
