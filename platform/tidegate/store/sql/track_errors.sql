-- track_errors.sql: counts failures in their groups and hours; returns the groups that are new, and those that came back after they
-- were resolved, on a version that had not shown them (or on any, where versions are not known). Rows are locked in the order of their
-- fingerprints, so that nodes that write at the same time cannot deadlock. What a list may hold is bounded. Whoever is to be told of
-- what is new or came back finds it among the happenings.
WITH told AS MATERIALIZED (
    SELECT t.fingerprint, t.type, t.message, t.grounds, t.count, t.deaths,
        statement_timestamp() - t.first_age * interval '1 second' AS first_seen,
        statement_timestamp() - t.last_age * interval '1 second' AS last_seen,
        ARRAY(SELECT json_array_elements_text(t.kinds)) AS kinds, ARRAY(SELECT json_array_elements_text(t.queues)) AS queues,
        ARRAY(SELECT json_array_elements_text(t.jobs)::bigint) AS jobs
    FROM unnest(
        %(fingerprints)s::text[], %(types)s::text[], %(messages)s::text[], %(grounds)s::text[], %(counts)s::bigint[], %(deaths)s::bigint[],
        %(first_ages)s::float8[], %(last_ages)s::float8[], %(kinds)s::json[], %(queues)s::json[], %(jobs)s::json[]
    ) AS t (fingerprint, type, message, grounds, count, deaths, first_age, last_age, kinds, queues, jobs)
    ORDER BY t.fingerprint
), seen AS (
    INSERT INTO tidegate.errors AS e (fingerprint, type, message, grounds, count, deaths, first_seen, last_seen, kinds, queues, nodes, versions,
        jobs)
    SELECT fingerprint, type, message, grounds, count, deaths, first_seen, last_seen, kinds, queues, ARRAY[%(node)s::text],
        array_remove(ARRAY[%(version)s::text], NULL), jobs
    FROM told ORDER BY fingerprint
    ON CONFLICT (fingerprint) DO UPDATE SET
        type = excluded.type, message = excluded.message, grounds = excluded.grounds,
        count = e.count + excluded.count, deaths = e.deaths + excluded.deaths,
        first_seen = least(e.first_seen, excluded.first_seen), last_seen = greatest(e.last_seen, excluded.last_seen),
        kinds = CASE WHEN e.kinds @> excluded.kinds THEN e.kinds
            ELSE ARRAY(SELECT DISTINCT each FROM unnest(e.kinds || excluded.kinds) AS each ORDER BY each LIMIT 50) END,
        queues = CASE WHEN e.queues @> excluded.queues THEN e.queues
            ELSE ARRAY(SELECT DISTINCT each FROM unnest(e.queues || excluded.queues) AS each ORDER BY each LIMIT 50) END,
        nodes = CASE WHEN e.nodes @> excluded.nodes THEN e.nodes ELSE (excluded.nodes || e.nodes)[1:20] END,
        versions = CASE WHEN e.versions @> excluded.versions THEN e.versions ELSE (excluded.versions || e.versions)[1:20] END,
        jobs = ARRAY(SELECT each FROM unnest(excluded.jobs || e.jobs) WITH ORDINALITY AS j (each, n) GROUP BY each ORDER BY min(n) LIMIT 5),
        status = CASE WHEN e.status = 'resolved' AND excluded.last_seen > e.changed_at
            AND (%(version)s::text IS NULL OR %(version)s::text <> ALL (e.resolved_versions)) THEN 'open' ELSE e.status END,
        regressed_at = CASE WHEN e.status = 'resolved' AND excluded.last_seen > e.changed_at
            AND (%(version)s::text IS NULL OR %(version)s::text <> ALL (e.resolved_versions)) THEN statement_timestamp()
            ELSE e.regressed_at END
    RETURNING e.fingerprint, e.xmax = 0 AS new, e.regressed_at IS NOT DISTINCT FROM statement_timestamp() AS regressed, e.type, e.message,
        e.kinds, e.queues, e.jobs, e.versions
), changed AS (
    INSERT INTO tidegate.happenings (event, grp, facts)
    SELECT CASE WHEN new THEN 'error_new' ELSE 'error_regressed' END, fingerprint,
        json_build_object('fingerprint', fingerprint, 'error', json_build_object('type', left(type, 200), 'message', left(message, 2000)),
            'kinds', kinds, 'queues', queues, 'jobs', jobs, 'version', %(version)s::text)
    FROM seen WHERE new OR regressed
), hours AS (
    INSERT INTO tidegate.error_hours AS h (fingerprint, hour, count)
    SELECT fingerprint, date_trunc('hour', last_seen, 'UTC'), count FROM told ORDER BY fingerprint
    ON CONFLICT (fingerprint, hour) DO UPDATE SET count = h.count + excluded.count
)
SELECT fingerprint, new FROM seen WHERE new OR regressed
