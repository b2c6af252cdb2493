-- redrive_take.sql: from here on this driver brings the letters of a running redrive back, and whoever did before does no more.
UPDATE tidegate.redrives SET driver = %(driver)s, beat_at = clock_timestamp() WHERE id = %(redrive)s AND state = 'running' RETURNING id
