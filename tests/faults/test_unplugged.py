"""Whatever is killed, stopped, emptied or doubled: no delivery is lost, no check stays open,
nothing is deployed twice, and no process is left over."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
import requests
from redis import Redis

from tests.github_fixture import Checkout
from tests.polling import eventually
from tests.stack_fixture import System, plain

pytestmark = pytest.mark.faults


@pytest.fixture(autouse=True)
def github_behaves_again(system: System) -> Iterator[None]:
    yield
    system.github.behave()


STAGES = ["source", "manifest", "build", "deploy", "verify", "publish"]

# Holds a stage at the moment before (`running`) or after (`succeeded`) its work, for as long as the
# test keeps advisory lock 77.
GATE = """
    CREATE OR REPLACE FUNCTION gate() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM pg_advisory_xact_lock(77);
        RETURN NEW;
    END $$;
    DROP TRIGGER IF EXISTS gate ON run_stages;
    CREATE TRIGGER gate AFTER INSERT OR UPDATE ON run_stages FOR EACH ROW
        WHEN (NEW.stage = '{stage}' AND NEW.state = '{state}') EXECUTE FUNCTION gate()"""


@contextmanager
def gate(system: System, stage: str, state: str) -> Iterator[None]:
    with psycopg.connect(system.config.database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(77)")
        connection.execute(GATE.format(stage=stage, state=state))  # type: ignore[arg-type]
        yield
        connection.execute("DROP TRIGGER gate ON run_stages")


def someone_waits_at_the_gate(system: System) -> bool:
    """Whether it is this lock: the system has advisory locks of its own."""
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77 AND NOT granted"
    return bool(system.rows(waiting))


def settled(system: System, checkout: Checkout, sha: str, name: str) -> dict[str, Any]:
    """Wait for the end, and check all that has to hold then."""
    run = system.finished(sha)
    assert run["state"] == "succeeded", system.log(run["id"])
    (check,) = system.reported(checkout, sha)
    assert check["conclusion"] == "success"
    live = system.rows(
        """SELECT d.host_id, d.url FROM mcp_deployments d JOIN repositories r
           ON r.id = d.repository_id WHERE r.name = %s AND d.state = 'live'""",
        name,
    )
    assert len(live) == 1
    assert requests.post(live[0][1], json=ECHO, timeout=10).json()["result"]
    eventually(lambda: no_more_than_is_live(system))
    return run


ECHO = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "echo", "arguments": {"text": "hello"}},
}


def no_more_than_is_live(system: System) -> bool:
    """Whether every process below the servers' folder belongs to supervisord or a live server."""
    live = {row[0] for row in system.rows("SELECT run_id FROM mcp_deployments WHERE state='live'")}
    servers = [
        process
        for process in system.servers()
        if "/builds/run-" in " ".join(process.cmdline()) and "setpriv" not in process.name()
    ]
    return len(servers) == len(live)


@pytest.mark.parametrize("state", ["running", "succeeded"])
@pytest.mark.parametrize("stage", STAGES)
def test_a_worker_killed_in_any_stage_is_replaced_by_another(
    system: System, stage: str, state: str
) -> None:
    name = f"killed-{stage}-{state}"
    checkout = system.repository(name)
    sha = checkout.commit(plain(name))
    with gate(system, stage, state):
        checkout.push()
        eventually(lambda: someone_waits_at_the_gate(system))
        assert system.kill_workers("runner") >= 2
    run = settled(system, checkout, sha, name)
    ((claims,),) = system.rows("SELECT claims FROM runs WHERE id = %s", run["id"])
    assert claims == 2
    ((deployments,),) = system.rows(
        "SELECT count(*) FROM mcp_deployments WHERE run_id = %s", run["id"]
    )
    assert deployments == 1


def test_workers_killed_while_they_report_leave_no_check_open(system: System) -> None:
    checkout = system.repository("killed-report")
    sha = checkout.commit(plain("killed-report"))
    system.github.fail("POST", "/repos/*/check-runs", kind="hang", seconds=30)
    checkout.push()
    eventually(system.github.has_failed)
    assert system.kill_workers("worker")
    system.github.behave()
    settled(system, checkout, sha, "killed-report")


def test_postgresql_stopped_and_started_in_the_middle_of_a_run(system: System) -> None:
    checkout = system.repository("no-postgres")
    sha = checkout.commit(plain("no-postgres"))
    checkout.push()
    eventually(lambda: system.rows("SELECT 1 FROM runs WHERE sha = %s AND state='running'", sha))
    system.stack.processes.stop("postgres")
    answer = requests.post(system.config.webhook_url, json={}, timeout=30)
    assert answer.status_code == 401, "an unsigned delivery is refused even now"
    assert requests.get(f"{system.config.web_url}/healthz", timeout=30).status_code == 503
    system.stack.processes.start("postgres")
    settled(system, checkout, sha, "no-postgres")


def test_a_push_while_postgresql_is_away_is_kept_by_github(system: System) -> None:
    checkout = system.repository("postgres-later")
    sha = checkout.commit(plain("postgres-later"))
    system.stack.processes.stop("postgres")
    checkout.push()
    delivery = eventually(lambda: failed_delivery(system))
    assert delivery["status_code"] == 503
    system.stack.processes.start("postgres")
    eventually(lambda: requests.get(f"{system.config.web_url}/healthz", timeout=30).ok)
    redeliver(system, delivery["id"])
    settled(system, checkout, sha, "postgres-later")


def failed_delivery(system: System) -> dict[str, Any] | None:
    for delivery in as_app(system, "GET", "/app/hook/deliveries").json():
        if delivery["event"] == "push" and delivery["status_code"] >= 500:
            found: dict[str, Any] = delivery
            return found
    return None


def redeliver(system: System, number: int) -> None:
    as_app(system, "POST", f"/app/hook/deliveries/{number}/attempts").raise_for_status()


def as_app(system: System, method: str, path: str) -> requests.Response:
    from githubkit import AppAuthStrategy, GitHub  # noqa: PLC0415 - slow to import

    with open(system.config.github_private_key_file) as file:  # noqa: PTH123
        strategy = AppAuthStrategy(system.config.github_app_id, file.read())
    token = strategy.get_auth_flow(GitHub(strategy)).get_jwt()  # type: ignore[attr-defined]
    return requests.request(
        method,
        system.config.github_api_url + path,
        headers={"Authorization": f"Bearer {token}", "User-Agent": "tests"},
        timeout=30,
    )


def test_a_push_while_redis_is_away_is_taken_and_run_later(system: System) -> None:
    checkout = system.repository("no-redis")
    sha = checkout.commit(plain("no-redis"))
    system.stack.processes.stop("redis")
    checkout.push()
    eventually(
        lambda: system.rows(
            "SELECT 1 FROM deliveries WHERE event = 'push' AND repository LIKE '%%/no-redis'"
        )
    )
    system.stack.processes.start("redis")
    settled(system, checkout, sha, "no-redis")


def test_redis_emptied_in_the_middle_of_a_run(system: System) -> None:
    checkout = system.repository("empty-redis")
    sha = checkout.commit(plain("empty-redis"))
    with gate(system, "build", "running"):
        checkout.push()
        eventually(lambda: someone_waits_at_the_gate(system))
        Redis.from_url(system.config.redis_url).flushall()
    settled(system, checkout, sha, "empty-redis")


def test_redis_restarted_empty_in_the_middle_of_a_run(system: System) -> None:
    checkout = system.repository("new-redis")
    sha = checkout.commit(plain("new-redis"))
    with gate(system, "verify", "running"):
        checkout.push()
        eventually(lambda: someone_waits_at_the_gate(system))
        system.stack.processes.stop("redis")
    system.stack.processes.start("redis")
    settled(system, checkout, sha, "new-redis")


def test_the_same_delivery_three_times_runs_once(system: System) -> None:
    checkout = system.repository("three-times")
    sha = checkout.commit(plain("three-times"))
    checkout.push()
    settled(system, checkout, sha, "three-times")
    delivered = next(
        delivery
        for delivery in as_app(system, "GET", "/app/hook/deliveries").json()
        if delivery["event"] == "push"
    )
    for _ in range(2):
        redeliver(system, delivered["id"])
    ((guid,),) = system.rows(
        "SELECT guid::text FROM deliveries WHERE event='push' AND repository LIKE '%%/three-times'"
    )
    assert guid == delivered["guid"]
    eventually(
        lambda: system.rows("SELECT receptions FROM deliveries WHERE guid = %s", guid) == [(3,)]
    )
    assert system.rows("SELECT count(*) FROM runs WHERE sha = %s", sha) == [(1,)]
    settled(system, checkout, sha, "three-times")


ENDLESS_BUILD = {
    "pyproject.toml": """[project]
name = "endless"
version = "1"
[build-system]
requires = []
build-backend = "endless"
backend-path = ["."]
""",
    "endless.py": """import time

def build_wheel(*_, **__):
    time.sleep(600)
""",
}


def test_two_pushes_while_the_first_builds(system: System) -> None:
    checkout = system.repository("overtaken")
    first = checkout.commit(plain("overtaken", ENDLESS_BUILD))
    checkout.push()
    eventually(
        lambda: system.rows(
            """SELECT 1 FROM run_stages s JOIN runs r ON r.id = s.run_id
               WHERE r.sha = %s AND s.stage = 'build'""",
            first,
        )
    )
    second = checkout.commit({"a.txt": "2"})
    checkout.push()
    checkout.git("rm", "--quiet", "pyproject.toml", "endless.py")
    third = checkout.commit({"a.txt": "3"})
    checkout.push()
    settled(system, checkout, third, "overtaken")
    for old in (first, second):
        run = system.finished(old)
        assert run["state"] == "superseded"
        (check,) = system.reported(checkout, old)
        assert check["conclusion"] == "neutral"
        assert "Superseded by" in check["output"]["title"]


def test_pushes_delivered_in_the_wrong_order_end_with_the_newest(system: System) -> None:
    checkout = system.repository("reordered")
    first = checkout.commit(plain("reordered"))
    checkout.push()
    settled(system, checkout, first, "reordered")
    # Each push announces itself by a `push` and a `check_suite`: held until all four are there,
    # then sent with the newest first.
    system.github.webhooks(reverse=4)
    for text in ("2", "3"):
        newest = checkout.commit({"a.txt": text})
        checkout.push()
    settled(system, checkout, newest, "reordered")
    eventually(lambda: system.rows("SELECT 1 FROM runs WHERE state IN ('queued','running')") == [])
    ((live,),) = system.rows(
        """SELECT u.sha FROM mcp_deployments d JOIN runs u ON u.id = d.run_id
           JOIN repositories r ON r.id = d.repository_id
           WHERE r.name = 'reordered' AND d.state = 'live'"""
    )
    assert live == newest


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 401},
        {"kind": "secondary", "seconds": 1},
        {"kind": "status", "status": 422},
        {"kind": "status", "status": 502},
        {"kind": "hang", "seconds": 60},
    ],
    ids=lambda fault: "-".join(str(value) for value in fault.values()),
)
def test_github_failing_at_every_report_call(system: System, fault: dict[str, Any]) -> None:
    name = "failing-" + "-".join(str(value) for value in fault.values())
    checkout = system.repository(name)
    sha = checkout.commit(plain(name))
    for method, path in (
        ("POST", "/repos/*/check-runs"),
        ("PATCH", "/repos/*/check-runs/*"),
        ("POST", "/repos/*/statuses/*"),
    ):
        system.github.fail(method, path, **fault)
    checkout.push()
    settled(system, checkout, sha, name)
    eventually(lambda: "success" in [status["state"] for status in checkout.statuses(sha)][:1])


def test_workers_told_to_end_hand_their_run_back(system: System) -> None:
    checkout = system.repository("drained")
    slow = str(plain("drained")["server.py"]).replace(
        "import json", "import json\nimport time\n\ntime.sleep(4)", 1
    )
    sha = checkout.commit(plain("drained", {"server.py": slow}))
    checkout.push()
    eventually(
        lambda: system.rows(
            """SELECT 1 FROM run_stages s JOIN runs r ON r.id = s.run_id
               WHERE r.sha = %s AND s.stage = 'verify'""",
            sha,
        )
    )
    stopper = threading.Thread(target=system.stack.processes.stop, args=("runner",))
    stopper.start()
    stopper.join()
    assert system.rows("SELECT state, claims FROM runs WHERE sha = %s", sha) == [("queued", 0)]
    system.stack.processes.start("runner")
    settled(system, checkout, sha, "drained")
