"""What Sigil asks of GitHub and says there outside of a run, interrupted where it hurts most: after
it was done, and before that was noted. Nothing is done twice. And servers that vanish come back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests

from pipeline.github.comment_text import MARKER
from pipeline.hosts.process import ProcessHost
from tests.github_fixture import Checkout
from tests.polling import eventually
from tests.stack_fixture import System, plain

pytestmark = [pytest.mark.faults, pytest.mark.long]

# Servers that vanished are looked for after seconds instead of an hour.
SETTINGS = {"SIGIL_RECOVERY_INTERVAL": "10"}

_GATE = """
    CREATE OR REPLACE FUNCTION errand_gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(78);
        RETURN NEW;
    END $$;
    CREATE TRIGGER errand_gate BEFORE UPDATE ON errands FOR EACH ROW
        WHEN (NEW.state = 'done' AND NEW.kind = '{kind}') EXECUTE FUNCTION errand_gate()"""
_WAITS = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 78 AND NOT granted"

_TAKEN = """SELECT id FROM errands WHERE kind = %s AND state = 'waiting' AND attempts > 0
            ORDER BY id LIMIT 1"""


@contextmanager
def killed_before_it_is_noted(system: System, kind: str) -> Iterator[None]:
    """Kill whoever has done the errand that the body leads to, before that is written down."""
    with psycopg.connect(system.config.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(78)")
        connection.execute(_GATE.format(kind=kind))  # type: ignore[arg-type]
        yield
        eventually(lambda: system.rows(_WAITS))
        ((errand,),) = system.rows(_TAKEN, kind)
        assert system.kill_workers("worker")
        connection.execute("SELECT pg_advisory_unlock(78)")
        connection.execute("DROP TRIGGER errand_gate ON errands")
        # The dead worker's lease would last for a minute.
        connection.execute("UPDATE errands SET due_at = now() WHERE state = 'waiting'")
    done = "SELECT 1 FROM errands WHERE id = %s AND state = 'done' AND attempts > 1"
    eventually(lambda: system.rows(done, errand))


def kinds(system: System, sha: str) -> list[Any]:
    """The runs of a commit, once they have all ended."""
    query = "SELECT kind, state FROM runs WHERE sha = %s ORDER BY id"
    eventually(lambda: all(row[1] not in ("queued", "running") for row in system.rows(query, sha)))
    return system.rows(query, sha)


def ours(checkout: Checkout, number: int, start: str) -> list[str]:
    """Sigil's comments that begin so."""
    said = [one["body"] for one in checkout.comments(number) if one["user"]["type"] == "Bot"]
    return [body for body in said if body.startswith(start)]


def test_a_worker_killed_before_it_notes_what_it_did_does_nothing_twice(system: System) -> None:
    checkout = system.repository("noted")
    first = checkout.commit(plain("noted"))
    with killed_before_it_is_noted(system, "push"):
        checkout.push()
    assert kinds(system, first) == [("deploy", "succeeded")]
    with killed_before_it_is_noted(system, "tag"):
        checkout.release("v0.1.0")
    assert kinds(system, first) == [("deploy", "succeeded"), ("release", "succeeded")]

    checkout.branch("shout")
    source = (checkout.folder / "server.py").read_text()
    sha = checkout.commit({"server.py": source.replace('"name": "echo",', '"name": "shout",')})
    with killed_before_it_is_noted(system, "pull"):
        number = checkout.pull()
    assert kinds(system, sha) == [("preview", "succeeded")]
    eventually(lambda: len(ours(checkout, number, MARKER)) == 1)
    with killed_before_it_is_noted(system, "command"):
        checkout.comment(number, "/sigil retry")
    assert kinds(system, sha) == [("preview", "succeeded")] * 2
    assert len(ours(checkout, number, "<!-- sigil:answer:")) == 1
    eventually(lambda: len(checkout.deployments(sha)) == 2)
    with killed_before_it_is_noted(system, "pull"):
        checkout.close(number)
    eventually(lambda: checkout.deployments(environment=f"preview/pr-{number}") == [])
    eventually(lambda: [said for said in ours(checkout, number, MARKER) if "is gone" in said])
    assert len(ours(checkout, number, MARKER)) == 1


# Done, but never heard of: the fault after which something is doubled most easily.
UNHEARD = {"kind": "status", "status": 502, "applied": True}


def test_github_failing_at_every_call_about_a_preview(system: System) -> None:
    checkout = system.repository("unheard")
    checkout.commit(plain("unheard"))
    checkout.push()
    checkout.branch("shout")
    source = (checkout.folder / "server.py").read_text()
    sha = checkout.commit({"server.py": source.replace('"name": "echo",', '"name": "shout",')})
    for method, path in (
        ("POST", "/repos/*/deployments"),
        ("POST", "/repos/*/deployments/*/statuses"),
        ("POST", "/repos/*/issues/*/comments"),
        ("DELETE", "/repos/*/deployments/*"),
    ):
        system.github.fail(method, path, **UNHEARD)
    number = checkout.pull()
    eventually(lambda: len(ours(checkout, number, MARKER)) == 1)
    eventually(lambda: states(checkout, sha) == ["success"])
    checkout.close(number)
    eventually(lambda: checkout.deployments(sha) == [])
    eventually(lambda: "is gone" in ours(checkout, number, MARKER)[0])
    system.github.behave()


def states(checkout: Checkout, sha: str) -> list[str]:
    return [one["statuses"][0]["state"] for one in checkout.deployments(sha) if one["statuses"]]


def test_a_server_that_vanished_comes_back_even_without_what_was_built(system: System) -> None:
    checkout = system.repository("vanished")
    sha = checkout.commit(plain("vanished"))
    checkout.push()
    assert system.finished(sha)["state"] == "succeeded"
    host = ProcessHost(Path(system.config.servers_folder))
    host.stop(live(system)[0])
    eventually(lambda: answers(live(system)[1]))
    assert kinds(system, sha) == [("deploy", "succeeded")], "it was only started again"
    name, _, reference = live(system)
    shutil.rmtree(reference)
    host.stop(name)
    eventually(lambda: kinds(system, sha) == [("deploy", "succeeded")] * 2)
    eventually(lambda: answers(live(system)[1]))


def live(system: System) -> tuple[str, str, str]:
    ((name, url, reference),) = system.rows(
        """SELECT d.host_id, d.url, d.artifact ->> 'reference' FROM mcp_deployments d
           JOIN repositories r ON r.id = d.repository_id
           WHERE r.name = 'vanished' AND d.state = 'live'"""
    )
    return name, url, reference


def answers(url: str) -> bool:
    try:
        return requests.post(url, json={}, timeout=5).status_code < 500
    except requests.ConnectionError:
        return False
