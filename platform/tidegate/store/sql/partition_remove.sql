-- partition_remove.sql: drops one day with its owner's rights; for roles that do not own the tables.
SELECT tidegate.remove_partition(%(parent)s, %(day)s::date)
