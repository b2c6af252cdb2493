-- resign.sql: gives the leadership up at once, so that the next node need not wait for its end.
DELETE FROM tidegate.leader WHERE node = %(node)s
