-- circuit_recount.sql: sets the permits of circuits to what their running jobs say, and returns those where that was a change. Only
-- after circuit_hold.sql, in the same transaction: a statement that waited for a lock still counts by its own old snapshot.
UPDATE tidegate.circuits AS c SET permits = counted.n
FROM (
    SELECT name, (
        SELECT count(*)::integer FROM tidegate.jobs AS j
        WHERE j.state = 'running' AND j.permit_circuit = held.name AND j.permit_gen = held.gen
    ) AS n
    FROM tidegate.circuits AS held WHERE held.name = ANY (%(names)s::text[])
) AS counted
WHERE c.name = counted.name AND c.permits <> counted.n
RETURNING c.name, c.permits
