"""A project's own tables and ours do not get in each other's way."""

from __future__ import annotations

from tests.integration.embedded.people import ask, tell

from tidegate.store.connection import connect
from tidegate.store.embedded import EmbeddedPostgres
from tidegate.store.migrate import migrate


def test_a_projects_tables_may_have_the_names_of_ours(own_project):
    with EmbeddedPostgres(own_project.tidegate) as server:
        with connect(server.conninfo) as connection:
            migrate(connection)
        tell(server.conninfo, "CREATE TABLE jobs (title text); INSERT INTO jobs VALUES ('gardener')")
        assert ask(server.conninfo, "SELECT title FROM public.jobs") == "gardener"
        assert ask(server.conninfo, "SELECT count(*) FROM tidegate.jobs") == 0
