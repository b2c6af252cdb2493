-- reserve.sql: draws `n` ids and places for jobs that COPY will bring, in order, and tells the date on which they are due at once.
-- Places drawn for jobs that turn out to be scheduled stay unused: gaps in a sequence cost nothing.
SELECT statement_timestamp() AS now, array_agg(drawn.id ORDER BY drawn.n) AS ids, array_agg(drawn.seq ORDER BY drawn.n) AS seqs
FROM (SELECT n, nextval('tidegate.job_id') AS id, nextval('tidegate.job_seq') AS seq FROM generate_series(1, %(n)s::integer) AS n) AS drawn
