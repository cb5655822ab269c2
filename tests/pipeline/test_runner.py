"""One run through all its stages: real source from the GitHub stand-in, a real build, a real server
on the process host, a real handshake."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from config.database import transaction
from config.settings import settings
from pipeline import deployments, run_claims, run_making, run_stages, runner, runs
from pipeline.builders.base import Artifact
from pipeline.hosts.process import ProcessHost
from pipeline.manifest import parse, to_json
from pipeline.runs import Run
from pipeline.stages.build import BuildResult
from pipeline.stages.manifest import ManifestResult
from pipeline.stages.source import SourceResult
from tests.github_fixture import Checkout, let_limits_pass
from tests.polling import eventually

PLAIN = Path(__file__).parent.parent / "samples" / "plain-http"


@pytest.fixture(autouse=True)
def host(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessHost]:
    monkeypatch.setenv("SIGIL_HOST", "process")
    monkeypatch.setenv("SIGIL_HEARTBEAT", "0.1")
    settings.cache_clear()
    keeper = ProcessHost(settings().var)
    yield keeper
    keeper.shutdown()


def sample(changes: dict[str, str] | None = None) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {path.name: path.read_text() for path in PLAIN.iterdir()}
    return files | (changes or {})


def manifest(old: str, new: str) -> str:
    text = (PLAIN / "mcp.yaml").read_text()
    assert old in text
    return text.replace(old, new)


def push(checkout: Checkout, files: dict[str, str | bytes], kind: runs.Kind = "deploy") -> Run:
    before = checkout.git("rev-parse", "HEAD")
    sha = checkout.commit(files)
    checkout.push()
    return queue(sha, before=before, kind=kind)


def queue(
    sha: str,
    *,
    before: str | None = None,
    kind: runs.Kind = "deploy",
    ref: str = "refs/heads/main",
) -> Run:
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
        assert row is not None
        wanted = run_making.Wanted(row[0], kind, "production", ref, sha, before_sha=before)
        return run_making.create(connection, wanted).run


def drive(run: Run) -> Run:
    runner.drive(run.id, changed=lambda _: None)
    return read(run)


def read(run: Run) -> Run:
    with transaction() as connection:
        found = runs.get(connection, run.id)
    assert found is not None
    return found


def rows(query: str) -> list[tuple[Any, ...]]:
    with transaction() as connection:
        return connection.execute(query).fetchall()  # type: ignore[arg-type]


def log_of(run: Run) -> str:
    return "\n".join(
        row[0] for row in rows(f"SELECT line FROM run_logs WHERE run_id = {run.id} ORDER BY id")
    )


def call(url: str, text: str) -> str:
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "echo", "arguments": {"text": text}},
    }
    answer = requests.post(url, json=body, timeout=10).json()
    return str(answer["result"]["content"][0]["text"])


def live_url() -> str:
    ((url,),) = rows("SELECT url FROM mcp_deployments WHERE state = 'live'")
    return str(url)


def test_a_push_becomes_a_live_listed_server(checkout: Checkout, host: ProcessHost) -> None:
    run = drive(push(checkout, sample()))
    assert run.state == "succeeded", log_of(run)
    assert run.title == "io.github.octocat/plain is live with 1 tool"
    assert call(live_url(), "hello") == "hello"
    assert rows("SELECT name FROM mcp_packages") == [("io.github.octocat/plain",)]
    assert rows("SELECT version, sha, protocol FROM mcp_versions") == [
        ("0.1.0", run.sha, "2025-11-25")
    ]
    assert rows("SELECT name, verified FROM mcp_tools") == [("echo", True)]
    assert [stage for (stage,) in rows("SELECT stage FROM run_stages ORDER BY position")] == [
        "source",
        "manifest",
        "build",
        "deploy",
        "verify",
        "publish",
    ]


def test_a_second_push_replaces_the_server_and_the_version_stays(
    checkout: Checkout, host: ProcessHost
) -> None:
    first = drive(push(checkout, sample()))
    second = drive(push(checkout, {"server.py": f"{sample()['server.py']}\n# changed\n"}))
    assert second.state == "succeeded", log_of(second)
    assert call(live_url(), "again") == "again"
    assert [instance.name for instance in host.list()] == [
        rows("SELECT host_id FROM mcp_deployments WHERE state = 'live'")[0][0]
    ]
    assert rows("SELECT sha FROM mcp_versions") == [(first.sha,)]
    assert rows("SELECT run_id, state, version_id IS NULL FROM mcp_deployments ORDER BY id") == [
        (first.id, "replaced", False),
        (second.id, "live", True),
    ]
    notices = rows(
        f"SELECT result ->> 'notices' FROM run_stages WHERE run_id = {second.id} "
        "AND stage = 'publish'"
    )
    assert "raise `version`" in notices[0][0]


def test_a_release_promotes_the_artifact_of_its_commit_without_a_build(checkout: Checkout) -> None:
    deployed = drive(push(checkout, sample()))
    release = drive(queue(deployed.sha, kind="release", ref="refs/tags/v0.1.0"))
    assert release.state == "succeeded", log_of(release)
    assert f"run {deployed.id} built this commit" in log_of(release)
    artifacts = {row[0] for row in rows("SELECT artifact ->> 'digest' FROM mcp_deployments")}
    assert len(artifacts) == 1


def test_a_tag_that_does_not_match_the_version_fails_and_says_which(checkout: Checkout) -> None:
    deployed = drive(push(checkout, sample()))
    release = drive(queue(deployed.sha, kind="release", ref="refs/tags/v9.9.9"))
    assert (release.state, release.title) == ("failed", "Tag v9.9.9 does not match version 0.1.0")
    assert call(live_url(), "still") == "still"


def test_a_release_of_a_version_that_another_commit_has_is_refused(checkout: Checkout) -> None:
    drive(push(checkout, sample()))
    second = drive(push(checkout, {"notes.txt": "more"}))
    release = drive(queue(second.sha, kind="release", ref="refs/tags/v0.1.0"))
    assert release.state == "failed"
    assert release.error is not None
    assert "Raise `version`" in release.error["detail"]


def test_problems_of_mcp_yaml_come_back_all_at_once_with_their_lines(checkout: Checkout) -> None:
    broken = manifest("version: 0.1.0", "version: one\ncolour: red")
    run = drive(push(checkout, sample({"mcp.yaml": broken})))
    assert run.state == "failed"
    assert run.error is not None
    assert [note["line"] for note in run.error["annotations"]] == [5, 6]
    assert run.error["stage"] == "manifest"


def test_without_mcp_yaml_the_check_shows_one(checkout: Checkout) -> None:
    run = drive(push(checkout, {"README.md": "nothing else"}))
    assert run.error is not None
    assert "schema: 1" in run.error["detail"]


def test_a_build_that_fails_is_the_authors_and_leaves_the_old_server(checkout: Checkout) -> None:
    drive(push(checkout, sample()))
    run = drive(push(checkout, {"requirements.txt": "this-package-does-not-exist==9.9.9\n"}))
    assert (run.state, run.error and run.error["stage"]) == ("failed", "build"), log_of(run)
    assert "this-package-does-not-exist" in log_of(run)
    assert call(live_url(), "still") == "still"


@pytest.mark.parametrize(
    ("name", "server", "title"),
    [
        ("crash", "raise SystemExit('no key')", "The server crashed while it started"),
        (
            "not mcp",
            "import http.server, os\n"
            "http.server.test(http.server.SimpleHTTPRequestHandler, port=int(os.environ['PORT']))",
            "The server answers, but not with MCP",
        ),
        ("silent", "import time\ntime.sleep(600)", "The server does not listen on its port"),
    ],
)
def test_a_server_that_does_not_prove_itself_never_replaces_the_one_that_serves(
    checkout: Checkout, host: ProcessHost, name: str, server: str, title: str
) -> None:
    drive(push(checkout, sample()))
    quick = manifest(
        "start_period: 20s", "start_period: 3s" if name == "silent" else "start_period: 60s"
    )
    run = drive(push(checkout, {"server.py": server, "mcp.yaml": quick}))
    assert (run.state, run.title) == ("failed", title), log_of(run)
    assert call(live_url(), name) == name
    assert len(host.list()) == 1
    assert rows("SELECT state FROM mcp_deployments ORDER BY id") == [("live",), ("failed",)]


def test_a_push_that_arrives_late_gives_way_to_the_branchs_head(checkout: Checkout) -> None:
    old = checkout.commit(sample())
    new = checkout.commit({"notes.txt": "newer"})
    checkout.push()
    late = queue(old)
    newer = queue(new)
    rows(f"UPDATE runs SET state = 'queued', superseded_by = NULL WHERE id = {late.id} RETURNING 1")
    run = drive(late)
    assert (run.state, run.superseded_by) == ("superseded", new)
    assert read(newer).state == "queued"


def test_a_head_that_no_event_told_of_is_asked_for_and_stops_nothing(checkout: Checkout) -> None:
    """It may not be one to deploy: that is known once its settings were read."""
    old = checkout.commit(sample())
    new = checkout.commit({"notes.txt": "newer"})
    checkout.push()
    run = drive(queue(old))
    assert run.state == "succeeded", log_of(run)
    assert rows("SELECT kind, subject, details ->> 'sha' FROM errands") == [
        ("push", "refs/heads/main", new)
    ]


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 502},
        {"kind": "status", "status": 404},
        {"kind": "rate-limited", "status": 403},
        {"kind": "secondary", "seconds": 60},
        {"kind": "reset"},
    ],
    ids=lambda fault: "-".join(map(str, fault.values())),
)
def test_github_away_is_retried_later_and_not_blamed_on_the_author(
    checkout: Checkout, fault: dict[str, Any]
) -> None:
    run = push(checkout, sample())
    checkout.github.fail("GET", "/repos/*/tarball/*", **fault)
    waiting = drive(run)
    # A limit that is used up is nobody's failure.
    retries = 0 if fault["kind"] in ("rate-limited", "secondary") else 1
    assert (waiting.state, waiting.retries) == ("queued", retries)
    assert waiting.title is not None
    assert waiting.title.startswith("Waiting:")
    let_limits_pass()
    rows(f"UPDATE runs SET due_at = now() WHERE id = {run.id} RETURNING id")
    assert drive(run).state == "succeeded"


def test_a_run_that_is_cancelled_while_it_starts_leaves_no_server(
    checkout: Checkout, host: ProcessHost
) -> None:
    slow = manifest("start_period: 20s", "start_period: 100s")
    files = sample({"mcp.yaml": slow, "server.py": "import time\ntime.sleep(600)"})
    run = push(checkout, files)
    worker = threading.Thread(target=drive, args=(run,))
    worker.start()
    eventually(lambda: len(host.list()) == 1)
    with transaction() as connection:
        runs.cancel(connection, run.id)
    worker.join()
    assert read(run).state == "cancelled"
    assert host.list() == []


def test_a_newer_commit_stops_a_running_older_run(checkout: Checkout, host: ProcessHost) -> None:
    slow = manifest("start_period: 20s", "start_period: 100s")
    files = sample({"mcp.yaml": slow, "server.py": "import time\ntime.sleep(600)"})
    run = push(checkout, files)
    worker = threading.Thread(target=drive, args=(run,))
    worker.start()
    eventually(lambda: len(host.list()) == 1)
    newer = push(checkout, sample())
    worker.join()
    assert (read(run).state, read(run).superseded_by) == ("superseded", newer.sha)
    assert drive(newer).state == "succeeded"
    assert len(host.list()) == 1


def test_a_build_that_this_machine_does_not_have_is_built_again(
    checkout: Checkout, host: ProcessHost
) -> None:
    run = push(checkout, sample())
    claimed = run_claims.claim(run.id)
    assert claimed is not None
    for stage in ("source", "manifest", "build"):
        run_stages.begin(claimed, stage)  # type: ignore[arg-type]
    first = drive_again(claimed)
    assert first.state == "succeeded", log_of(first)


def drive_again(run: Run) -> Run:
    """As if the worker had died after the build, and another machine went on."""
    text = (PLAIN / "mcp.yaml").read_bytes()
    lost = Artifact(kind="folder", reference="/nowhere", digest="sha256:0", command=("/x",))
    results = {
        "source": SourceResult(sha=run.sha, files=2, bytes=1),
        "manifest": ManifestResult(manifest=to_json(parse(text))),
        "build": BuildResult(artifact=lost),
    }
    for stage, result in results.items():
        run_stages.succeed(run, stage, result)  # type: ignore[arg-type]
    run_claims.requeue(run, title=None, due_at=None, count=False)
    return drive(run)


def queue_for_pull(sha: str, kind: runs.Kind, *, trusted: bool = True, number: int = 3) -> Run:
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
        assert row is not None
        wanted = run_making.Wanted(
            *(row[0], kind, f"preview/pr-{number}", f"refs/pull/{number}/head", sha),
            pull_number=number,
            trusted=trusted,
        )
        return run_making.create(connection, wanted).run


def test_a_check_reads_and_builds_and_starts_nothing(checkout: Checkout, host: ProcessHost) -> None:
    sha = checkout.commit(sample())
    checkout.push("HEAD:topic")
    run = drive(queue_for_pull(sha, "check", trusted=False))
    assert (run.state, run.title) == ("succeeded", "mcp.yaml is right, and it builds"), log_of(run)
    stages = [stage for (stage,) in rows("SELECT stage FROM run_stages ORDER BY position")]
    assert stages == ["source", "manifest", "build"]
    assert rows("SELECT 1 FROM mcp_deployments") == rows("SELECT 1 FROM mcp_packages") == []
    assert host.list() == []


def test_a_commit_that_was_pushed_and_proposed_is_built_once_and_a_preview_lists_nothing(
    checkout: Checkout, host: ProcessHost
) -> None:
    sha = checkout.commit(sample())
    checkout.push("HEAD:topic")
    check = drive(queue_for_pull(sha, "check"))
    preview = drive(queue_for_pull(sha, "preview"))
    assert (preview.state, preview.title) == (
        "succeeded",
        "The preview of #3 runs with 1 tool",
    ), log_of(preview)
    assert f"run {check.id} built this commit" in log_of(preview)
    assert call(live_url(), "preview") == "preview"
    assert rows("SELECT environment, package_id, version_id FROM mcp_deployments") == [
        ("preview/pr-3", None, None)
    ]
    assert rows("SELECT 1 FROM mcp_packages") == []
    checkout.push()
    pushed = drive(queue(sha))
    assert f"run {preview.id} built this commit" in log_of(pushed)
    # Each environment has a server of its own.
    assert len(host.list()) == 2
    assert len(rows("SELECT DISTINCT artifact ->> 'digest' FROM mcp_deployments")) == 1


def test_what_was_built_before_anybody_approved_the_commit_is_never_started(
    checkout: Checkout,
) -> None:
    """Its author chose the moment of that build, and so what its downloads were at that moment."""
    sha = checkout.commit(sample())
    checkout.push("HEAD:topic")
    check = drive(queue_for_pull(sha, "check", trusted=False))
    checkout.push()
    pushed = drive(queue(sha))
    assert (check.state, pushed.state) == ("succeeded", "succeeded"), log_of(pushed)
    assert "built this commit" not in log_of(pushed)
    ((folder,),) = rows("SELECT artifact ->> 'reference' FROM mcp_deployments")
    assert folder.endswith(f"/run-{pushed.id}")
    # The next stranger's check may take what was built of it since.
    proposed = drive(queue_for_pull(sha, "check", trusted=False, number=4))
    assert "built this commit" in log_of(proposed)


def test_a_rollback_starts_the_old_artifact_again_and_a_second_one_goes_further_back(
    checkout: Checkout, host: ProcessHost
) -> None:
    first = drive(push(checkout, sample()))
    second = drive(push(checkout, {"notes.txt": "two"}))
    third = drive(push(checkout, {"notes.txt": "three"}))
    assert {run.state for run in (first, second, third)} == {"succeeded"}
    back = drive(roll_back())
    assert back.title == f"io.github.octocat/plain is back at {second.sha[:7]} with 1 tool"
    assert served() == (second.sha, digest_of(second))
    assert "built this commit" not in log_of(back)
    assert "fetching" not in log_of(back)
    assert read(third).remark == f"Rolled back to {second.sha[:7]} by @mona"
    assert call(live_url(), "back") == "back"
    assert len(host.list()) == 1
    further = drive(roll_back())
    assert further.state == "succeeded", log_of(further)
    assert served() == (first.sha, digest_of(first))
    # It is the version again that this deployment was.
    assert rows("SELECT version_id IS NULL FROM mcp_deployments WHERE state = 'live'") == [(False,)]
    with transaction() as connection:
        assert deployments.last_good(connection, first.repository_id, "production") is None


def roll_back() -> Run:
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
        assert row is not None
        target = deployments.last_good(connection, row[0], "production")
        assert target is not None
        return run_making.roll_back(connection, target.id, actor="mona").run


def served() -> tuple[str, str]:
    ((sha, digest),) = rows(
        """SELECT r.sha, d.artifact ->> 'digest' FROM mcp_deployments d
           JOIN runs r ON r.id = d.run_id WHERE d.state = 'live'"""
    )
    return str(sha), str(digest)


def digest_of(run: Run) -> str:
    ((digest,),) = rows(
        f"SELECT artifact ->> 'digest' FROM mcp_deployments WHERE run_id = {run.id}"
    )
    return str(digest)


def test_settings_that_keep_a_run_from_beginning_are_not_blamed_on_the_author(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = push(checkout, sample())
    monkeypatch.setenv("SIGIL_ENVIRONMENT", "production")
    settings.cache_clear()
    waiting = drive(run)
    assert (waiting.state, waiting.retries) == ("queued", 1)
    assert waiting.title == "Waiting: Sigil is not set up to run this"


def test_a_bug_of_ours_closes_the_run_with_a_reference(
    checkout: Checkout, host: ProcessHost
) -> None:
    run = push(checkout, sample())
    with transaction() as connection:
        connection.execute("ALTER TABLE mcp_tools RENAME TO elsewhere")
    failed = drive(run)
    assert (failed.state, failed.title) == ("failed", "Sigil failed: an internal error")
    assert failed.error is not None
    assert "It was reported as" in failed.error["detail"]
    assert host.list() == []
