-- retire.sql: a node that ends cleanly marks itself dead, so that what it could not hand back is rescued at the next tick; it is not lost.
UPDATE tidegate.nodes SET dead = true, status = '{"retired": true}' WHERE id = %(node)s
