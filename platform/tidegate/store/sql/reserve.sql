-- reserve.sql: draws `n` ids and places for jobs that COPY will bring, and tells the date on which they are due at once.
-- Places drawn for jobs that turn out to be scheduled stay unused: gaps in a sequence cost nothing. Whoever asked sorts them, for less.
SELECT statement_timestamp() AS now, array_agg(nextval('tidegate.job_id')) AS ids, array_agg(nextval('tidegate.job_seq')) AS seqs
FROM generate_series(1, %(n)s::integer)
