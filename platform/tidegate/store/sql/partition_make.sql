-- partition_make.sql: makes and attaches one UTC day of a partitioned table, unless it is there; safe to be called by many at once.
SELECT tidegate.make_partition(%(parent)s, %(day)s::date)
