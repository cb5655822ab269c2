"""Servers that nobody here wrote, through the whole system: push, live, handshake, tool call."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import requests

from sandbox import base_images
from sandbox.stack import Stack
from tests.github_fixture import Checkout
from tests.outside_evidence import assert_like_github
from tests.polling import eventually
from tests.servers import call, tool_names
from tests.stack_fixture import QUICK, SAMPLES, System

SAMPLE = Path(__file__).parents[2] / "sandbox" / "sample"

Server = tuple[Path, str, dict[str, Any], str]

TIME: Server = (
    SAMPLES / "time-stdio",
    "convert_time",
    {"source_timezone": "Asia/Tokyo", "time": "12:00", "target_timezone": "Asia/Kolkata"},
    "08:30",
)
EVERYTHING: Server = (SAMPLES / "everything-http", "get-sum", {"a": 19, "b": 23}, "42")
ALMANAC: Server = (SAMPLE, "days_between", {"start": "2026-01-01", "end": "2026-03-01"}, "59")


@pytest.fixture(
    scope="module",
    params=["process", pytest.param("docker", marks=pytest.mark.docker)],
)
def system(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[System]:
    host: Literal["process", "docker"] = request.param
    settings = dict(QUICK)
    if host == "docker":
        settings |= base_images.ensure()
    folder = Path(tempfile.mkdtemp(prefix="sigil-system-"))
    stack = Stack(folder / "sandbox", host=host, settings=settings)
    stack.start()
    started = System(stack, tmp_path_factory.mktemp("clones"))
    started.github.be_generous()
    yield started
    try:
        traffic = started.github.traffic()
    finally:
        stack.erase()
    assert_like_github(traffic)


def files(folder: Path) -> dict[str, str | bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def deploy(system: System, checkout: Checkout, sha: str) -> dict[str, Any]:
    checkout.push()
    run = system.finished(sha, seconds=280)
    assert run["state"] == "succeeded", system.log(run["id"])
    return run


@pytest.mark.parametrize(
    "server",
    [
        pytest.param(TIME, id="mcp-server-time"),
        pytest.param(EVERYTHING, id="server-everything", marks=pytest.mark.node),
        pytest.param(ALMANAC, id="mcp-2"),
    ],
)
def test_a_push_becomes_a_server_whose_tools_can_be_called(system: System, server: Server) -> None:
    folder, tool, arguments, expected = server
    checkout = system.repository(folder.name)
    sha = checkout.commit(files(folder))
    run = deploy(system, checkout, sha)
    assert tool in [listed["name"] for listed in run["tools"]]
    assert all(listed["verified"] for listed in run["tools"])
    assert tool in tool_names(run["url"], mode="legacy")
    assert expected in call(run["url"], tool, arguments)
    (check,) = system.reported(checkout, sha)
    assert (check["conclusion"], run["url"] in check["output"]["summary"]) == ("success", True)
    assert f"`{tool}`" in check["output"]["summary"]
    listed = requests.get(f"{system.config.web_url}/servers", timeout=30).text
    assert f"io.github.octocat/{run['package'].rsplit('/')[-1]}" in listed
    log = requests.get(f"{system.config.web_url}/runs/{run['id']}", timeout=30)
    assert log.status_code == 200


def test_a_second_push_replaces_the_first_and_reuses_its_dependencies(system: System) -> None:
    checkout = system.repository("again")
    first = checkout.commit(
        files(SAMPLE)
        | {"mcp.yaml": (SAMPLE / "mcp.yaml").read_text().replace("almanac", "again", 1)}
    )
    old = deploy(system, checkout, first)
    source = (SAMPLE / "almanac.py").read_text()
    changed = source.replace('"""How many days it is', '"""Counted anew: how many days it is')
    assert changed != source
    new = deploy(system, checkout, checkout.commit({"almanac.py": changed}))
    assert new["url"] != old["url"]
    described = {tool["name"]: tool["description"] for tool in new["tools"]}
    assert described["days_between"].startswith("Counted anew")
    eventually(lambda: not _answers(old["url"]))
    live = system.rows(
        """SELECT count(*) FROM mcp_deployments d JOIN repositories r ON r.id = d.repository_id
           WHERE r.name = 'again' AND d.state = 'live'"""
    )
    assert live == [(1,)]


def _answers(url: str) -> bool:
    try:
        requests.post(url, json={}, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_the_run_again_button_runs_the_same_commit_again(system: System) -> None:
    checkout = system.repository("button")
    text = (SAMPLE / "mcp.yaml").read_text().replace("name: almanac", "name: button", 1)
    sha = checkout.commit(files(SAMPLE) | {"mcp.yaml": text})
    deploy(system, checkout, sha)
    (check,) = system.reported(checkout, sha)
    checkout.api("POST", f"/check-runs/{check['id']}/rerequest")
    assert len(checkout.checks(sha)) >= 1
    second = _second_attempt(system, sha)
    assert second["parent"]
    checks = system.reported(checkout, sha)
    assert [one["conclusion"] for one in checks] == ["success", "success"]


def _second_attempt(system: System, sha: str) -> dict[str, Any]:
    eventually(lambda: (system.run_of(sha) or {"attempt": 1})["attempt"] == 2)
    return system.finished(sha)


@pytest.mark.parametrize("stage", ["build", "verify"])
def test_a_worker_killed_in_the_middle_leaves_one_server_and_nothing_else(
    system: System, stage: str
) -> None:
    name = f"killed-{stage}"
    checkout = system.repository(name)
    text = (SAMPLE / "mcp.yaml").read_text().replace("name: almanac", f"name: {name}", 1)
    # A remark of its own makes the dependencies a layer that no cache has.
    requirements = f"# {name}\n{(SAMPLE / 'requirements.txt').read_text()}"
    sha = checkout.commit(files(SAMPLE) | {"mcp.yaml": text, "requirements.txt": requirements})
    checkout.push()
    eventually(
        lambda: system.rows(
            """SELECT 1 FROM run_stages s JOIN runs r ON r.id = s.run_id
               WHERE r.sha = %s AND s.stage = %s AND s.state = 'running'""",
            sha,
            stage,
        ),
        seconds=200,
    )
    assert system.kill_workers("runner") >= 2
    run = system.finished(sha, seconds=250)
    assert run["state"] == "succeeded", system.log(run["id"])
    assert system.rows("SELECT claims FROM runs WHERE id = %s", run["id"]) == [(2,)]
    (check,) = system.reported(checkout, sha)
    assert check["conclusion"] == "success"
    assert call(run["url"], *ALMANAC[1:3]) == ALMANAC[3]
    eventually(lambda: system.containers() in ([], system.live_servers()))


def test_a_tag_releases_what_was_built_for_its_commit(system: System) -> None:
    checkout = system.repository("tagged")
    text = (SAMPLE / "mcp.yaml").read_text().replace("name: almanac", "name: tagged", 1)
    sha = checkout.commit(files(SAMPLE) | {"mcp.yaml": text})
    deployed = deploy(system, checkout, sha)
    checkout.git("tag", "v1.0.0")
    checkout.push("v1.0.0")
    release = _release(system, sha)
    assert release["state"] == "succeeded", system.log(release["id"])
    assert f"run {deployed['id']} built this commit" in system.log(release["id"])
    names = {check["name"] for check in system.reported(checkout, sha)}
    assert names == {"Sigil / production", "Sigil / production release"}


def _release(system: System, sha: str) -> dict[str, Any]:
    eventually(lambda: (system.run_of(sha) or {"kind": ""})["kind"] == "release")
    return system.finished(sha)


def test_problems_of_mcp_yaml_are_annotations_at_their_lines(system: System) -> None:
    checkout = system.repository("broken")
    sha = checkout.commit({"mcp.yaml": "schema: 1\nname: Broken!\nversion: 1\ncolour: red\n"})
    checkout.push()
    assert system.finished(sha)["state"] == "failed"
    (check,) = system.reported(checkout, sha)
    assert check["conclusion"] == "failure"
    notes = checkout.api("GET", f"/check-runs/{check['id']}/annotations")
    assert {note["path"] for note in notes} == {"mcp.yaml"}
    assert {2, 3, 4} <= {note["start_line"] for note in notes}
    statuses = eventually(
        lambda: [one for one in checkout.statuses(sha) if one["state"] != "pending"]
    )
    assert [(one["context"], one["state"]) for one in statuses] == [("sigil/production", "failure")]
