-- estimate.sql: how many rows the planner expects: what a count over a large line would cost is not worth the last digit.
EXPLAIN (FORMAT JSON) SELECT FROM tidegate.jobs WHERE state = %(state)s AND queue = %(queue)s
