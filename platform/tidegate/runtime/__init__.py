"""A node at work: the supervised parts that claim, run and ack jobs."""
