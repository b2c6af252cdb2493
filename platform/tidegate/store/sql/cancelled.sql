-- cancelled.sql: which of the jobs that a node holds were cancelled from outside, for nodes that did not hear it told.
SELECT queue, id FROM tidegate.jobs WHERE state = 'running' AND node = %(node)s AND cancel_requested ORDER BY id
