-- How many of the told departures were counted, how many were counted at all, and what the routes add up to.
SELECT
    (
        SELECT count(*)
        FROM shop.departures AS d
        JOIN unnest(%(scheduled)s::timestamptz[], %(carrier)s::text[], %(flight)s::integer[]) AS told (scheduled, carrier, flight)
            USING (scheduled, carrier, flight)
    ) AS counted,
    (SELECT count(*) FROM shop.departures) AS ledger,
    (SELECT coalesce(sum(departures), 0)::bigint FROM shop.routes) AS aggregated,
    (SELECT count(*) FROM shop.routes) AS routes
