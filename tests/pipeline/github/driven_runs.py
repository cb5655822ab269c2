"""Runs that are brought to their ends by hand, as the runner would, and told to the stand-in."""

import json
from typing import Any

from config.database import transaction
from config.redis import redis
from pipeline import deployments, pull_requests, run_claims, run_making, runs
from pipeline.builders.base import Artifact
from pipeline.github.report import report
from pipeline.hosts.base import Instance
from pipeline.pull_requests import PullRequest
from pipeline.runs import Kind, Run
from tests import seed
from tests.github_fixture import Checkout


def repository_id() -> int:
    """The one repository."""
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
    assert row is not None
    return int(row[0])


def create(
    sha: str,
    kind: Kind = "deploy",
    *,
    environment: str = "production",
    ref: str = "refs/heads/main",
    **wanted: Any,
) -> Run:
    """A queued run."""
    with transaction() as connection:
        return run_making.create(
            connection,
            run_making.Wanted(repository_id(), kind, environment, ref, sha, **wanted),
        ).run


def for_pull(sha: str, number: int, kind: Kind = "preview", **wanted: Any) -> Run:
    """A queued run of a pull request."""
    return create(
        sha,
        kind,
        environment=pull_requests.environment(number),
        ref=f"refs/pull/{number}/head",
        pull_number=number,
        **wanted,
    )


def record_pull(number: int, sha: str, **columns: Any) -> PullRequest:
    """Note a pull request, as intake does."""
    known: dict[str, Any] = {
        "head_ref": "topic",
        "head_repository": "octocat/weather",
        "fork": False,
        "base_ref": "main",
        "author": "octocat",
        "draft": False,
        "state": "open",
        "merged": False,
    }
    pull = PullRequest(repository_id(), number, sha, **(known | columns))
    with transaction() as connection:
        pull_requests.record(connection, pull)
    return pull


def claim(run: Run) -> Run:
    """Begin a run."""
    claimed = run_claims.claim(run.id)
    assert claimed is not None
    return claimed


def serve(run: Run, *, version: str = "1.0.0", **verified: Any) -> str:
    """Bring a queued run to its end, with a server; return its address."""
    claimed = claim(run)
    url = f"http://servers.example/{run.id}/mcp"
    seed.stage(run.id, "manifest", 1, state="succeeded", result={"manifest": {"version": version}})
    artifact = Artifact(kind="image", reference=f"weather:{run.id}", digest=f"sha256:{run.sha}")
    deployments.announce(claimed, host="process", name=f"server-{run.id}", artifact=artifact)
    deployments.started(claimed, Instance(f"server-{run.id}", "1", url, "running"))
    answer = {"tools": [seed.tool("forecast")], "verified": True} | verified
    seed.stage(run.id, "verify", 4, state="succeeded", result=answer)
    with transaction() as connection:
        deployments.promote(connection, claimed, package_id=None, version_id=None, handshake=answer)
    published = {"package": "io.github.octocat/weather", "version": version, "url": url}
    seed.stage(run.id, "publish", 5, state="succeeded", result=published)
    run_claims.finish(claimed, "succeeded", title="octocat/weather is live with 1 tool")
    return url


def check(run: Run) -> None:
    """Bring a queued check to its end."""
    run_claims.finish(claim(run), "succeeded", title="mcp.yaml is right, and it builds")


def fail(run: Run, *, fault: str = "yours", **error: Any) -> None:
    """Bring a queued run to a failure of its build."""
    found = {"stage": "build", "title": "No", "detail": "Pin it.", "fault": fault}
    end_failed(claim(run), found | {"annotations": []} | error)


def end_failed(claimed: Run, error: dict[str, Any]) -> None:
    """End a run that is under way."""
    run_claims.finish(claimed, "failed", title="No", error=error)


def settle(*told: Run, times: int = 12) -> None:
    """Report until nothing of these runs waits, as the sweep would once the moments have come."""
    for _ in range(times):
        for run in told:
            report(run.id)
        with transaction() as connection:
            waiting = connection.execute(
                """UPDATE runs SET report_due_at = now() WHERE id = ANY(%s)
                   AND reported_revision < revision RETURNING id""",
                ([run.id for run in told],),
            ).fetchone()
        if waiting is None:
            return
        for key in redis().scan_iter("sigil:budget:*"):
            redis().delete(key)
    raise AssertionError([column(run, "report_error") for run in told])


def column(run: Run, name: str) -> Any:
    """A column of a run's row."""
    with transaction() as connection:
        row = connection.execute(f"SELECT {name} FROM runs WHERE id = {run.id}").fetchone()  # type: ignore[arg-type]
    assert row is not None
    return row[0]


def current(run: Run) -> Run:
    """The run as it is now."""
    with transaction() as connection:
        found = runs.get(connection, run.id)
    assert found is not None
    return found


def calls(checkout: Checkout) -> list[str]:
    """The requests that GitHub got from the App so far, as `POST /repos/{owner}/{repo}/…`."""
    entries = map(json.loads, checkout.github.traffic.text().splitlines())
    home = "/repos/{owner}/{repo}"
    return [f"{entry['method']} {entry['template'].removeprefix(home)}" for entry in entries]
