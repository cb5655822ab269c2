"""Clearing up: what nothing wants goes, what something wants stays."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.database import transaction
from config.settings import settings
from pipeline import tidy
from pipeline.builders.base import Artifact
from pipeline.hosts.base import DeploymentSpec
from pipeline.hosts.process import ProcessHost
from tests import seed

HOUR = 3600


@pytest.fixture(autouse=True)
def host(
    database_url: str, short_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ProcessHost]:
    monkeypatch.setenv("SIGIL_VAR", str(tmp_path))
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    keeper = ProcessHost(tmp_path)
    yield keeper
    keeper.shutdown()


def instance() -> str:
    with transaction() as connection:
        row = connection.execute("SELECT name FROM sigil_instance").fetchone()
    assert row is not None
    return str(row[0])


def start(host: ProcessHost, name: str, tmp_path: Path) -> str:
    (tmp_path / "app").mkdir(exist_ok=True)
    artifact = Artifact(
        kind="folder", reference=str(tmp_path), digest="sha256:1", command=("/bin/sleep", "600")
    )
    host.start(DeploymentSpec(name, artifact, port=1, path="/mcp", env={}))
    return name


def deployed(run_id: int, name: str, state: str, *, reference: str = "x") -> None:
    """A deployment in its run's environment."""
    with transaction() as connection:
        connection.execute(
            """INSERT INTO mcp_deployments
                 (repository_id, run_id, environment, host, host_id, url, artifact, state)
               SELECT 1, id, environment, 'process', %s, '',
                      jsonb_build_object('kind', 'folder', 'reference', %s::text,
                                         'digest', 'sha256:1'), %s
               FROM runs WHERE id = %s""",
            (name, reference, state, run_id),
        )


def test_only_servers_that_something_wants_go_on(host: ProcessHost, tmp_path: Path) -> None:
    seed.repository()
    ours = f"sigil-{instance()}"
    states = {
        "live": ("live", "succeeded"),
        "candidate": ("candidate", "running"),
        "replaced": ("replaced", "succeeded"),
        "left-behind": ("candidate", "failed"),
    }
    for number, (name, (state, run_state)) in enumerate(states.items()):
        run = seed.run(state=run_state, commit=seed.sha(number))
        deployed(run, start(host, f"{ours}-{name}", tmp_path), state)
    start(host, f"{ours}-nobodys", tmp_path)
    start(host, "sigil-00000000-somebody-elses", tmp_path)
    stopped = tidy.stop_unwanted_servers()
    assert sorted(stopped) == [f"{ours}-left-behind", f"{ours}-nobodys", f"{ours}-replaced"]
    assert sorted(found.name for found in host.list()) == sorted(
        ["sigil-00000000-somebody-elses", f"{ours}-live", f"{ours}-candidate"]
    )


def test_the_last_artifacts_are_kept_to_go_back_to(tmp_path: Path) -> None:
    seed.repository()
    folders = []
    for number in range(tidy.KEPT_ARTIFACTS + 3):
        folder = tmp_path / "builds" / f"run-{number}"
        folder.mkdir(parents=True)
        folders.append(folder)
        live = number == 0
        deployed(
            seed.run(state="succeeded", commit=seed.sha(number)),
            f"server-{number}",
            "live" if live else "replaced",
            reference=str(folder),
        )
    assert tidy.discard_old_artifacts() == 2
    assert [folder.exists() for folder in folders] == [True, False, False, True, True, True]
    assert tidy.discard_old_artifacts() == 0


def test_what_was_built_for_a_pull_request_goes_with_it_unless_it_serves(tmp_path: Path) -> None:
    seed.repository()
    kept = {}
    for number, state in enumerate(["closed", "open"]):
        with transaction() as connection:
            connection.execute(
                """INSERT INTO pull_requests (repository_id, number, head_sha, head_ref, fork,
                                              base_ref, author, state, retired_at)
                   VALUES (1, %s, %s, 'feature', false, 'main', 'someone', %s,
                           CASE WHEN %s = 'closed' THEN now() END)""",
                (number, seed.SHA, state, state),
            )
        for use in ("previewed", "released"):
            folder = tmp_path / "builds" / f"run-{number}-{use}"
            folder.mkdir(parents=True)
            kept[state, use] = folder
            preview = seed.run(
                state="succeeded",
                kind="preview",
                environment=f"preview/pr-{number}",
                pull_number=number,
                commit=seed.sha(len(kept)),
            )
            deployed(preview, f"preview-{len(kept)}", "stopped", reference=str(folder))
        # Whoever merged it released what the pull request had built; it was replaced since.
        released = seed.run(state="succeeded", kind="release", commit=seed.sha(len(kept)))
        deployed(released, f"release-{number}", "replaced", reference=str(folder))
    assert tidy.discard_old_artifacts() == 1
    assert [use for use, folder in kept.items() if not folder.exists()] == [("closed", "previewed")]


def test_folders_of_ended_runs_go_and_those_in_use_stay(tmp_path: Path) -> None:
    seed.repository()
    ended, running, live = (
        seed.run(state=state, commit=seed.sha(number))
        for number, state in enumerate(["failed", "running", "succeeded"])
    )
    deployed(live, "server", "live", reference=str(tmp_path / "builds" / f"run-{live}"))
    folders = {}
    for kind in ("work", "builds"):
        for name, run in {"ended": ended, "running": running, "live": live}.items():
            folder = tmp_path / kind / f"run-{run}"
            folder.mkdir(parents=True)
            os.utime(folder, (time.time() - 2 * HOUR,) * 2)
            folders[kind, name] = folder
    young = tmp_path / "work" / "run-99"
    young.mkdir()
    assert tidy.remove_old_folders() == 3
    left = {key for key, folder in folders.items() if folder.exists()}
    assert left == {("work", "running"), ("builds", "running"), ("builds", "live")}
    assert young.exists()


def test_logs_of_runs_that_ended_long_ago_go() -> None:
    seed.repository()
    old = seed.run(state="succeeded", commit=seed.sha(1))
    new = seed.run(state="running", commit=seed.sha(2))
    with transaction() as connection:
        connection.execute(
            "UPDATE runs SET finished_at = now() - interval '91 days' WHERE id = %s", (old,)
        )
        for run in (old, new):
            connection.execute(
                "INSERT INTO run_logs (run_id, stage, line) VALUES (%s, 'build', 'x')", (run,)
            )
    assert tidy.delete_old_logs() == 1
    assert tidy.delete_old_logs() == 0
    with transaction() as connection:
        assert connection.execute("SELECT run_id FROM run_logs").fetchall() == [(new,)]
