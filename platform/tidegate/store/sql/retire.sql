-- retire.sql: a node that ends cleanly marks itself dead, so that what it could not hand back is rescued at the next tick.
UPDATE tidegate.nodes SET dead = true WHERE id = %(node)s
