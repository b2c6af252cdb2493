-- take_answer.sql: takes a request away once it is answered, or whatever became of it where `given_up`.
DELETE FROM tidegate.node_requests WHERE id = %(id)s AND (answered_at IS NOT NULL OR %(given_up)s)
RETURNING answered_at IS NOT NULL AS answered, answer::text AS answer, error
