"""What has to hold once nothing is going on any more, whatever happened before."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests

from pipeline.github.comment_text import MARKER
from tests.random_life import BRANCHES, Home, Life, Pull
from tests.stack_fixture import System

CONCLUSIONS = {
    "succeeded": "success",
    "failed": "failure",
    "cancelled": "cancelled",
    "superseded": "neutral",
    "skipped": "neutral",
}


def broken(system: System, life: Life) -> list[str]:
    """The promises that do not hold now, in words."""
    found = list(_at_rest(system))
    if found:
        return found  # GitHub need not be asked as long as our own tables say that it goes on.
    found += _hosts(system)
    for home in life.homes:
        found += (f"{home.checkout.name}: {what}" for what in _of_home(system, home))
    return found


def _at_rest(system: System) -> Iterator[str]:
    for what, query in _UNREST.items():
        if rows := system.rows(query):
            yield f"{what}: {rows}"


_UNREST = {
    "runs that wait or run": """SELECT id, state, due_at - now() FROM runs
        WHERE state IN ('queued', 'running')""",
    "errands that wait": """SELECT id, kind, subject, attempts, due_at - now(), reason FROM errands
        WHERE state = 'waiting'""",
    # What was in vain while the App had lost a repository is looked for when it is back.
    "errands given up": """SELECT id, kind, subject, reason FROM errands
        WHERE state = 'failed' AND reason NOT LIKE 'the App may not see%%'""",
    "deliveries that were not done": """SELECT id, event, state, reason FROM deliveries
        WHERE state NOT IN ('done', 'ignored')""",
    "reports that wait": """SELECT id, report_attempts, report_due_at - now(), report_error
        FROM runs WHERE reported_revision < revision""",
    "runs that failed": "SELECT id, title, error FROM runs WHERE state = 'failed'",
    "candidates of runs that ended": "SELECT run_id FROM mcp_deployments WHERE state = 'candidate'",
}


def _hosts(system: System) -> Iterator[str]:
    """The host runs exactly what the table says, and each of it answers."""
    folder = Path(system.config.servers_folder) / "servers"
    there = sorted(path.stem for path in folder.glob("*.ini"))
    if there != system.live_servers():
        yield f"the host has {there}, wanted are {system.live_servers()}"
        return
    for name, url in system.rows("SELECT host_id, url FROM mcp_deployments WHERE state = 'live'"):
        try:
            answered = requests.post(url, json={}, timeout=10).status_code < 500
        except requests.ConnectionError:
            answered = False
        if not answered:
            yield f"{name} does not answer"


def _of_home(system: System, home: Home) -> Iterator[str]:
    name = home.checkout.name
    rows = system.rows("SELECT id FROM repositories WHERE name = %s AND state = 'active'", name)
    if not rows:
        yield "it is not known"
        return
    number = rows[0][0]
    heads = _heads(home)
    for branch in BRANCHES:
        if branch in heads:
            yield from _branch(system, number, branch, heads[branch])
    for tag in home.tags:
        yield from _tag(system, number, tag)
    listed = home.checkout.deployments()
    for environment in BRANCHES.values():
        yield from _environment(system, number, environment, listed)
    for pull in home.pulls:
        yield from _pull(system, number, home, pull, listed)
    yield from _doubled(listed)
    yield from _checks(system, number, home)


def _heads(home: Home) -> dict[str, str]:
    lines = home.checkout.git("ls-remote", "--heads", "origin").splitlines()
    return {ref.removeprefix("refs/heads/"): sha for sha, ref in map(str.split, lines)}


def _branch(system: System, number: int, branch: str, head: str) -> Iterator[str]:
    """The head has its run, and what serves is the head, unless a later wish says otherwise."""
    ran = system.rows(
        """SELECT state FROM runs WHERE repository_id = %s AND ref = %s AND sha = %s
             AND kind = 'deploy' ORDER BY id DESC LIMIT 1""",
        number,
        f"refs/heads/{branch}",
        head,
    )
    if ran != [("succeeded",)]:
        yield f"the head {head[:7]} of {branch} has {ran}"
    last = system.rows(
        """SELECT kind, requested, sha, ref FROM runs
           WHERE repository_id = %s AND environment = %s AND state = 'succeeded'
           ORDER BY id DESC LIMIT 1""",
        number,
        BRANCHES[branch],
    )
    if last and last[0][0] == "deploy" and not last[0][1] and last[0][2] != head:
        yield f"{last[0][2][:7]} serves, but {branch} is at {head[:7]}"


def _tag(system: System, number: int, tag: str) -> Iterator[str]:
    query = "SELECT kind, state FROM runs WHERE repository_id = %s AND ref = %s"
    rows = system.rows(query + " ORDER BY id DESC LIMIT 1", number, f"refs/tags/{tag}")
    if not rows:
        yield f"{tag} has no run"


def _environment(
    system: System, number: int, environment: str, listed: list[dict[str, Any]]
) -> Iterator[str]:
    """What serves is what was wanted last, and GitHub shows exactly that as active."""
    wanted = system.rows(
        """SELECT id, sha FROM runs WHERE repository_id = %s AND environment = %s
             AND state = 'succeeded' AND kind <> 'check' ORDER BY id DESC LIMIT 1""",
        number,
        environment,
    )
    live = system.rows(
        """SELECT u.id, u.sha FROM mcp_deployments d JOIN runs u ON u.id = d.run_id
           WHERE d.repository_id = %s AND d.environment = %s AND d.state = 'live'""",
        number,
        environment,
    )
    if live != wanted:
        yield f"{environment} serves {live}, wanted is {wanted}"
    active = [
        (_run(one), one["sha"])
        for one in listed
        if one["environment"] == environment and _state(one) not in ("inactive", "failure", "error")
    ]
    if active != live:
        yield f"{environment} at GitHub shows {active}, live is {live}"


def _run(deployment: dict[str, Any]) -> int:
    return int(deployment["payload"]["sigil_run"])


def _state(deployment: dict[str, Any]) -> str:
    return str(deployment["statuses"][0]["state"]) if deployment["statuses"] else "none"


def _pull(
    system: System, number: int, home: Home, pull: Pull, listed: list[dict[str, Any]]
) -> Iterator[str]:
    environment = f"preview/pr-{pull.number}"
    comments = home.checkout.comments(pull.number)
    ours = [one["body"] for one in comments if one["user"]["type"] == "Bot"]
    main = [body for body in ours if body.startswith(MARKER)]
    if len(main) > 1:
        yield f"#{pull.number} has {len(main)} comments"
    for first, count in Counter(body.splitlines()[0] for body in ours).items():
        if count > 1:
            yield f"#{pull.number} was told {count} times {first}"
    for one in comments:
        if one["body"].startswith("/sigil") and not _answered(ours, one["id"]):
            yield f"#{pull.number}: nobody answered {one['body']}"
    if pull.open:
        yield from _environment(system, number, environment, listed)
        yield from _preview(system, number, pull)
        return
    if left := [_state(one) for one in listed if one["environment"] == environment]:
        yield f"#{pull.number} is closed, GitHub has deployments {left}"
    query = """SELECT 1 FROM mcp_deployments WHERE repository_id = %s AND environment = %s
                 AND state IN ('live', 'candidate')"""
    if system.rows(query, number, environment):
        yield f"#{pull.number} is closed, its preview lives"
    if main and "preview is gone" not in main[0]:
        yield f"#{pull.number} is closed, its comment says {main[0]!r}"


def _answered(ours: list[str], comment: int) -> bool:
    return any(body.startswith(f"<!-- sigil:answer:{comment} -->") for body in ours)


def _preview(system: System, number: int, pull: Pull) -> Iterator[str]:
    """The head of an open pull request has its run, and its preview where it may have one."""
    rows = system.rows(
        """SELECT kind, state FROM runs WHERE repository_id = %s AND pull_number = %s AND sha = %s
           ORDER BY id DESC""",
        number,
        pull.number,
        pull.head,
    )
    if not rows:
        yield f"#{pull.number} at {pull.head[:7]} has no run"
    trusted = not pull.fork or pull.approved == pull.head
    if trusted and not pull.draft and pull.cancelled != pull.head:
        live = system.rows(
            """SELECT u.sha FROM mcp_deployments d JOIN runs u ON u.id = d.run_id
               WHERE u.repository_id = %s AND u.pull_number = %s AND d.state = 'live'""",
            number,
            pull.number,
        )
        if live != [(pull.head,)]:
            yield f"#{pull.number} is at {pull.head[:7]}, {live} serves; runs {rows}"
    elif not trusted and any(kind == "preview" for kind, _ in rows):
        yield f"#{pull.number}: a preview without approval"


def _doubled(listed: list[dict[str, Any]]) -> Iterator[str]:
    for run, count in Counter(_run(one) for one in listed).items():
        if count > 1:
            yield f"run {run} has {count} deployments"


def _checks(system: System, number: int, home: Home) -> Iterator[str]:
    """Each run has one check run, which is completed and says what the run says."""
    rows = system.rows("SELECT sha, id, state FROM runs WHERE repository_id = %s", number)
    for sha in sorted({row[0] for row in rows}):
        checks: dict[str, list[dict[str, Any]]] = {}
        for check in home.checkout.checks(sha):
            checks.setdefault(check["external_id"], []).append(check)
        for _, run, state in (row for row in rows if row[0] == sha):
            found = checks.pop(f"sigil-run-{run}", [])
            said = [(one["status"], one["conclusion"]) for one in found]
            if said != [("completed", CONCLUSIONS[state])]:
                yield f"run {run} is {state}, its checks say {said}"
        if checks:
            yield f"{sha[:7]} has checks of nobody: {sorted(checks)}"
