"""All SQL, and nothing else: what the platform asks of PostgreSQL, one statement a file."""
