-- redrive_resume.sql: a redrive that was stopped or cancelled runs again; one that its canaries stopped goes on without them.
UPDATE tidegate.redrives SET canary = CASE state WHEN 'stopped' THEN NULL ELSE canary END, state = 'running', said = NULL,
    changed_at = statement_timestamp()
WHERE id = %(redrive)s AND state IN ('stopped', 'cancelled')
RETURNING id
