-- last_job.sql: the newest id that was given to a job.
SELECT last_value FROM tidegate.job_id
