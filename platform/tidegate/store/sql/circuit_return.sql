-- circuit_return.sql: takes back permits of runs that said nothing about their circuit (released, cancelled, rescued); those of
-- another generation are void. Locks in the order of the names (protocol A2, C3).
WITH back AS MATERIALIZED (
    SELECT name, gen, count(*)::integer AS n FROM unnest(%(names)s::text[], %(gens)s::bigint[]) AS b (name, gen) GROUP BY name, gen
), locked AS MATERIALIZED (
    SELECT c.name, back.n FROM tidegate.circuits AS c JOIN back ON back.name = c.name AND back.gen = c.gen
    ORDER BY c.name FOR UPDATE OF c
)
UPDATE tidegate.circuits AS c SET permits = greatest(c.permits - locked.n, 0) FROM locked WHERE c.name = locked.name
RETURNING c.name, c.permits
