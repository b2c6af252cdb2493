-- partition_attach.sql: one UTC day, its upper bound exclusive.
ALTER TABLE tidegate.{parent} ATTACH PARTITION tidegate.{name} FOR VALUES FROM ({start}) TO ({end})
