"""The rights that each kind of user of the database needs, as SQL: nodes, programs that enqueue, people who look.

None of them owns anything or may change the schema: that is for whoever runs `tidegate db migrate`. The script may be run again,
and should be after a migration.
"""

from __future__ import annotations

from typing import Final

__all__ = ["CLIENT", "NODE", "READER", "script"]

NODE: Final = "tidegate_node"
CLIENT: Final = "tidegate_client"
READER: Final = "tidegate_reader"

_ROLES: Final = {
    NODE: "nodes, and whoever cancels, retries, pauses and purges",
    CLIENT: "programs that enqueue",
    READER: "dashboards, and commands that only look",
}
_SCRIPT: Final = """\
-- Run this as the owner of the schema tidegate (whoever runs `tidegate db migrate`), after each migration again.
-- Then give the roles to the users that you have: GRANT {node} TO worker; GRANT {client} TO web;
{roles}
GRANT USAGE ON SCHEMA tidegate TO {node}, {client}, {reader};

-- {node}: every row, no table.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA tidegate TO {node};
REVOKE INSERT, UPDATE, DELETE ON tidegate.migrations FROM {node};
GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA tidegate TO {node};
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA tidegate TO {node};
ALTER DEFAULT PRIVILEGES IN SCHEMA tidegate GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {node};
ALTER DEFAULT PRIVILEGES IN SCHEMA tidegate GRANT USAGE, SELECT ON SEQUENCES TO {node};
ALTER DEFAULT PRIVILEGES IN SCHEMA tidegate GRANT EXECUTE ON FUNCTIONS TO {node};

-- {client}: new jobs.
GRANT SELECT ON tidegate.migrations TO {client};
GRANT SELECT, INSERT ON tidegate.jobs TO {client};
GRANT USAGE ON SEQUENCE tidegate.job_id, tidegate.job_seq TO {client};

-- {reader}: every row, to look at.
GRANT SELECT ON ALL TABLES IN SCHEMA tidegate TO {reader};
ALTER DEFAULT PRIVILEGES IN SCHEMA tidegate GRANT SELECT ON TABLES TO {reader};
"""
_ROLE: Final = """
DO $$ BEGIN
    CREATE ROLE {role} NOLOGIN;  -- {who}
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
"""


def script() -> str:
    """Return the SQL that makes the three roles and grants them what they need."""
    roles = "".join(_ROLE.format(role=role, who=who) for role, who in _ROLES.items())
    return _SCRIPT.format(roles=roles, node=NODE, client=CLIENT, reader=READER)
