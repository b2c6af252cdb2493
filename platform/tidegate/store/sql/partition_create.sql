-- partition_create.sql: a partition apart from its parent, so that attaching it needs no scan and the weakest lock (protocol P1).
CREATE TABLE IF NOT EXISTS tidegate.{name} (LIKE tidegate.{parent} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
