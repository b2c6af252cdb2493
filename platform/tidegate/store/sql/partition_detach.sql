-- partition_detach.sql: lets go of a partition without stopping writers; not possible inside a transaction.
ALTER TABLE tidegate.{parent} DETACH PARTITION tidegate.{name} CONCURRENTLY
