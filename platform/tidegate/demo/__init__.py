"""The demo shop: real jobs for a first look at Tidegate.

Letters go through a real SMTP conversation, departures are real events of a public data set, models are really trained.
`jobs` holds the handlers, `feeder` decides what is enqueued and when, `run` puts a node, the feeder and a local mail server
together for a while, and `summary` tells what came of it. `queues.yaml` beside this file is the one of the repository's root.
"""
