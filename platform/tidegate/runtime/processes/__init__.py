"""Consumers that are operating-system processes: what the node's side and the inside of such a process say to each other and do.

A process is started fresh (spawned), never forked from the node: the node has threads, and a fork copies their locks in whatever
state they are, its loop, and its connections. It imports the jobs modules once, before it takes its first job.
"""
