-- happenings_prune.sql: what happened while no channel was there to be told.
DELETE FROM tidegate.happenings WHERE at < clock_timestamp() - %(age)s * interval '1 second'
