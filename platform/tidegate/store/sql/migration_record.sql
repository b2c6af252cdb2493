-- migration_record.sql: notes that a migration was applied, for a script that somebody runs by hand.
INSERT INTO tidegate.migrations (version, name) VALUES ({version}, '{name}')
