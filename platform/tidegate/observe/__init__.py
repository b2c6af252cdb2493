"""What a node shows of itself: metrics and the port they are scraped from, health, logs.

Subscribers to events and readers of the supervision tree; nothing on the job path knows them. Import what you need from its module:
`metrics` (Metrics, EnqueueMetrics), `http` (exporter), `logs` (configure).
"""
