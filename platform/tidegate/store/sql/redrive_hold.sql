-- redrive_hold.sql: the driver of a redrive is still there, waiting; no row: it is over, or somebody else drives it.
UPDATE tidegate.redrives SET beat_at = clock_timestamp() WHERE id = %(redrive)s AND state = 'running' AND driver = %(driver)s RETURNING id
