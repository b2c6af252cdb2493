-- redrive_begin.sql: notes a redrive before its first letter, and who wants it.
INSERT INTO tidegate.redrives (wanted, upto, queue, rate, canary, total, actor, why)
VALUES (%(wanted)s::json, %(upto)s, %(queue)s, %(rate)s, %(canary)s, %(total)s, %(actor)s, %(why)s)
RETURNING id
