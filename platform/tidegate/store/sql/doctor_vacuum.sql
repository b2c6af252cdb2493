-- doctor_vacuum.sql: removes the dead rows of the hot table.
VACUUM (ANALYZE) tidegate.jobs
