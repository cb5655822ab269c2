"""`flask --app webhook deliveries …`, run as an operator runs it."""

import os
import subprocess
import sys
from typing import Any
from uuid import UUID, uuid4

import pytest
from redis import Redis

from config.database import transaction
from pipeline.deliveries import NewDelivery, record
from sandbox.embedded import EmbeddedRedis, Postgres
from tests.hooks import encode, push
from workers import queues

pytestmark = pytest.mark.usefixtures("database_url", "redis_url", "webhook_secret")

BODY = encode(push())


def deliveries(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "webhook", "deliveries", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | environment,
        timeout=120,
        check=False,
    )


def put(state: str, **changes: Any) -> UUID:
    guid = uuid4()
    delivery = NewDelivery(guid, "push", None, 1, "octo/weather", BODY, "received", None, False)
    with transaction() as connection:
        record(connection, [delivery])
        connection.execute(
            """UPDATE deliveries SET state = %s, reason = 'a reason', attempts = 8,
                   finished_at = now() WHERE guid = %s""",
            (state, guid),
        )
    return guid


def state_of(guid: UUID) -> tuple[Any, ...] | None:
    with transaction() as connection:
        return connection.execute(
            "SELECT state, attempts FROM deliveries WHERE guid = %s", (guid,)
        ).fetchone()


def test_the_list_names_deliveries_newest_first_and_by_state() -> None:
    put("done")
    put("dead")
    listed = deliveries("list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.index("dead") < listed.stdout.index("done")
    assert "octo/weather" in listed.stdout
    dead = deliveries("list", "--state", "dead", "--limit", "5").stdout
    assert "a reason" in dead
    assert "done" not in dead


def test_show_tells_all_about_one_by_number_or_guid() -> None:
    guid = put("dead")
    by_guid = deliveries("show", str(guid))
    assert by_guid.returncode == 0, by_guid.stderr
    for text in (str(guid), "octo/weather", "dead", "a reason", f"{len(BODY)} bytes"):
        assert text in by_guid.stdout
    assert "installation" not in by_guid.stdout
    with transaction() as connection:
        row = connection.execute("SELECT id FROM deliveries").fetchone()
    assert row is not None
    assert deliveries("show", str(row[0])).stdout == by_guid.stdout


def test_the_payload_is_printed_byte_by_byte_when_asked_for() -> None:
    guid = put("done")
    assert deliveries("show", str(guid), "--payload").stdout == BODY.decode() + "\n"


def test_a_replayed_delivery_waits_again_and_rings(redis_url: str) -> None:
    guid, other = put("dead"), put("dead")
    replayed = deliveries("replay", str(guid))
    assert replayed.returncode == 0, replayed.stderr
    assert str(guid) in replayed.stdout
    assert state_of(guid) == ("received", 0)
    assert state_of(other) == ("dead", 8)
    with Redis.from_url(redis_url) as redis:
        assert redis.llen(f"rq:queue:{queues.DELIVERIES}") == 1


def test_all_dead_ones_are_replayed_at_once() -> None:
    dead, done = [put("dead"), put("dead")], put("done")
    assert deliveries("replay", "--dead").returncode == 0
    assert [state_of(guid) for guid in dead] == [("received", 0)] * 2
    assert state_of(done) == ("done", 8)
    assert "No delivery is dead" in deliveries("replay", "--dead").stdout


def test_an_unknown_delivery_is_an_error_and_nothing_is_replayed() -> None:
    guid = put("dead")
    for arguments in (
        ("show", "999999"),
        ("show", str(uuid4())),
        ("show", str(uuid4()), "--payload"),
        ("replay", str(guid), "999999"),
    ):
        failed = deliveries(*arguments)
        assert failed.returncode == 1
        assert "There is no delivery" in failed.stderr
        assert "Traceback" not in failed.stderr
    assert state_of(guid) == ("dead", 8)


@pytest.mark.parametrize("arguments", [["show", "x"], ["replay"], ["list", "--state", "lost"]])
def test_a_wrong_use_says_what_is_right(arguments: list[str]) -> None:
    failed = deliveries(*arguments)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr


def test_each_command_explains_itself() -> None:
    for arguments in ([], ["list"], ["show"], ["replay"]):
        helped = deliveries(*arguments, "--help")
        assert helped.returncode == 0
        assert "Usage: " in helped.stdout


@pytest.mark.usefixtures("impatient")
def test_postgresql_away_is_said_without_a_traceback(postgres: Postgres) -> None:
    postgres.stop()
    try:
        failed = deliveries("list")
    finally:
        postgres.start()
    assert failed.returncode == 1
    assert "PostgreSQL does not answer" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_redis_away_replays_and_says_that_the_sweep_comes(redis_server: EmbeddedRedis) -> None:
    guid = put("dead")
    redis_server.stop()
    try:
        replayed = deliveries("replay", str(guid))
    finally:
        redis_server.start()
    assert replayed.returncode == 0
    assert "sweep" in replayed.stderr
    assert state_of(guid) == ("received", 0)


def test_without_a_webhook_secret_it_says_so_in_one_line() -> None:
    failed = deliveries("list", GITHUB_WEBHOOK_SECRETS="")
    assert failed.returncode == 1
    assert "GITHUB_WEBHOOK_SECRETS is not set" in failed.stderr
    assert "Traceback" not in failed.stderr
