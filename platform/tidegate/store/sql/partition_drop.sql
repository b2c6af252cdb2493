-- partition_drop.sql
DROP TABLE IF EXISTS tidegate.{name}
