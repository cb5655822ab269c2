"""What the page of the App says has arrived."""

from datetime import UTC, datetime, timedelta

import pytest
from psycopg.types.json import Jsonb

from config.database import transaction
from pipeline.github.permissions import wanted
from pipeline.overview.arrival import Arrival, read_arrival
from tests import seed

pytestmark = pytest.mark.usefixtures("database_url")


def arrival(since: datetime | None = None) -> Arrival:
    with transaction() as connection:
        return read_arrival(connection, since=since)


def test_nothing_has_arrived_at_first() -> None:
    assert arrival() == Arrival(None, None, None, 0, 0, ())


def test_the_newest_delivery_and_the_ping_are_told() -> None:
    seed.delivery("ping", state="ignored")
    seed.delivery("push")
    found = arrival()
    assert (found.event, found.accepted_at is not None) == ("push", True)
    assert found.ping_at is not None


def test_what_came_before_the_app_was_another_apps() -> None:
    seed.delivery("ping", state="ignored")
    found = arrival(since=datetime.now(UTC) + timedelta(hours=1))
    assert (found.event, found.accepted_at, found.ping_at) == (None, None, None)


def test_permissions_that_installations_lack_are_counted() -> None:
    seed.repository()
    less = {**wanted(), "contents": "read"}
    with transaction() as connection:
        connection.execute("UPDATE installations SET permissions = %s", (Jsonb(less),))
        connection.execute(
            """INSERT INTO installations (id, workspace_id, permissions)
               SELECT id + number, workspace_id, granted
               FROM installations,
                    (VALUES (1, %s::jsonb), (2, %s), (3, '{}')) AS v (number, granted)
               LIMIT 3""",
            (Jsonb(less), Jsonb(wanted())),
        )
    ((missing, count),) = arrival().lacking
    assert (missing.permission.name, missing.granted, count) == ("contents", "read", 2)
    assert arrival().installations == 4
