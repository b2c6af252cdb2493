-- accuse.sql: a node that is about to end itself is dead from here on, and says which of its jobs made it so (protocol L7).
UPDATE tidegate.nodes SET dead = true, accusation = %(accusation)s::json WHERE id = %(node)s AND NOT dead
RETURNING id
