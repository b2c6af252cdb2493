"""Tidegate: background jobs on PostgreSQL, demand-driven and supervised."""
