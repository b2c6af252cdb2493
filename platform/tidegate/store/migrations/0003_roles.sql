-- Day partitions are made and removed by functions that run with their owner's rights, so that a node needs no right to DDL.
-- Only who was granted them may call them (`tidegate db roles`); the owner may anyway.

CREATE FUNCTION tidegate.make_partition(parent text, day date) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
    name text := parent || '_' || to_char(day, 'YYYYMMDD');
BEGIN
    IF parent NOT IN ('attempts', 'history_completed', 'history_cancelled') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('tidegate.%s has no day partitions', parent);
    END IF;
    PERFORM pg_advisory_xact_lock(1953064037);  -- "tide": one maker at a time
    IF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(format('tidegate.%I', name))) THEN
        RETURN false;
    END IF;
    -- Made apart from its parent, so that attaching it needs no scan and the weakest lock.
    EXECUTE format('CREATE TABLE IF NOT EXISTS tidegate.%I (LIKE tidegate.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
    EXECUTE format(
        'ALTER TABLE tidegate.%I ATTACH PARTITION tidegate.%I FOR VALUES FROM (%L) TO (%L)',
        parent, name, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC'
    );
    RETURN true;
END $$;

-- For who does not own the tables, or cannot detach concurrently: it waits for no writer longer than two seconds.
CREATE FUNCTION tidegate.remove_partition(parent text, day date) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
BEGIN
    IF parent NOT IN ('attempts', 'history_completed', 'history_cancelled') THEN
        RAISE invalid_parameter_value USING MESSAGE = format('tidegate.%s has no day partitions', parent);
    END IF;
    EXECUTE format('DROP TABLE IF EXISTS tidegate.%I', parent || '_' || to_char(day, 'YYYYMMDD'));
END $$;

REVOKE ALL ON FUNCTION tidegate.make_partition(text, date), tidegate.remove_partition(text, date) FROM PUBLIC;
