"""A repository at the GitHub stand-in and the desk where Sigil's errands about it are done."""

import itertools
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from psycopg.types.json import Jsonb

from config.database import transaction
from pipeline import run_claims, runs
from pipeline.errands import handlers, table
from pipeline.errands.base import Done, Kind
from sandbox.github import GitHubStandIn
from tests import seed
from tests.github_fixture import Checkout

assert handlers  # Importing it fills the table of handlers.

_deliveries = itertools.count(1000)

MANIFEST = """\
schema: 1
name: weather
description: Forecasts for any place
version: 1.0.0
runtime: python
entrypoint: ["python", "server.py"]
"""


def manifest(deploy: str = "", **changes: str) -> str:
    """An `mcp.yaml` with another `deploy:` block (one line of YAML), or another `version`."""
    text = MANIFEST.replace("version: 1.0.0", f"version: {changes.get('version', '1.0.0')}")
    return f"{text}deploy: {deploy}\n" if deploy else text


def rows(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of a query."""
    with transaction() as connection:
        found = connection.execute(query, parameters or None)  # type: ignore[arg-type]
        return found.fetchall() if found.description else []


@dataclass(frozen=True)
class Person:
    """Somebody at GitHub, who speaks with a token of theirs."""

    github: GitHubStandIn
    login: str
    token: str

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        """Call the REST API; return the JSON.

        Raises:
            requests.HTTPError: GitHub refused.
        """
        answer = requests.request(
            method,
            self.github.url + path,
            json=body or None,
            headers={"Authorization": f"Bearer {self.token}", "User-Agent": "tests"},
            timeout=30,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else None


@dataclass
class Desk:
    """One repository, and the errands about it."""

    github: GitHubStandIn
    checkout: Checkout
    repository_id: int
    owner: Person
    folder: Path
    forks: dict[str, Checkout] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """The repository's path in the REST API."""
        return f"/repos/{self.checkout.full_name}"

    def ask(self, kind: Kind, subject: str = "", *, delivery: int = 4, **details: Any) -> int:
        """Ask for an errand; return its id."""
        with transaction() as connection:
            return table.ask(
                connection,
                kind,
                repository_id=self.repository_id,
                subject=subject,
                details=details,
                delivery_id=delivery,
            )

    def do(self, kind: Kind, subject: str = "", *, delivery: int = 4, **details: Any) -> Done:
        """Ask for an errand and work it off at once."""
        errand = self.ask(kind, subject, delivery=delivery, **details)
        done = table.work(errand)
        assert done is not None, self.state(errand)
        return done

    def follow(self, done: Done) -> list[Done]:
        """Work off what came of an errand."""
        return [found for one in done.errand_ids if (found := table.work(one))]

    def state(self, errand: int) -> tuple[str, str | None, int]:
        """State, reason and attempts of an errand."""
        ((state, reason, attempts),) = rows(
            "SELECT state, reason, attempts FROM errands WHERE id = %s", errand
        )
        return state, reason, attempts

    def hurry(self) -> None:
        """Let the moment of every errand come."""
        rows("UPDATE errands SET due_at = now()")

    def push(
        self, files: dict[str, str | bytes], message: str = "Change", branch: str = "main"
    ) -> str:
        """Commit and push; return the commit."""
        sha = self.checkout.commit(files, message)
        self.checkout.push(f"HEAD:refs/heads/{branch}")
        return sha

    def branch(self, name: str, files: dict[str, str | bytes], message: str = "Change") -> str:
        """Commit to a branch that begins at `main`, push it, and go back; return the commit."""
        known = self.checkout.git("branch", "--list", name)
        self.checkout.git("checkout", "--quiet", *(() if known else ("-b",)), name)
        sha = self.push(files, message, name)
        self.checkout.git("checkout", "--quiet", "main")
        return sha

    def open(self, head: str, *, by: Person | None = None, **more: Any) -> int:
        """Open a pull request to `main`; return its number."""
        values = {"title": "Change", "head": head, "base": "main"} | more
        return int((by or self.owner)("POST", f"{self.path}/pulls", **values)["number"])

    def click(self, number: int, verb: str, *, by: str | None = None, **fields: str) -> None:
        """Click a button on the page of a pull request."""
        requests.post(
            f"{self.github.url}/{self.checkout.full_name}/pull/{number}/{verb}",
            data=fields | {"as": by or self.owner.login},
            timeout=30,
        ).raise_for_status()

    def comment(self, number: int, body: str, *, by: Person | None = None) -> int:
        """Comment on a pull request; return the comment's id."""
        path = f"{self.path}/issues/{number}/comments"
        return int((by or self.owner)("POST", path, body=body)["id"])

    def comments(self, number: int) -> list[dict[str, Any]]:
        """The comments on a pull request, oldest first."""
        found: list[dict[str, Any]] = self.owner(
            "GET", f"{self.path}/issues/{number}/comments?per_page=100"
        )
        return found

    def command(
        self, number: int, text: str, *, by: Person | None = None, comment: int | None = None
    ) -> Done:
        """Write `/sigil …` and carry it out; a `comment` that is there already is repeated."""
        actor = (by or self.owner).login
        written = comment or self.comment(number, f"/sigil {text}", by=by)
        return self.do(
            "command",
            f"#{number}",
            delivery=written,
            words=text.lower().split(),
            actor=actor,
            number=number,
            comment_id=written,
        )

    def press(self, run_id: int, button: str, *, by: Person | None = None) -> Done:
        """Press a button of a run's check."""
        actor = (by or self.owner).login
        return self.do(
            "command",
            f"run {run_id}",
            delivery=next(_deliveries),
            words=[button],
            actor=actor,
            run_id=run_id,
        )

    def let_in(self, person: Person, role: str) -> None:
        """Make somebody a collaborator."""
        self.owner("PUT", f"{self.path}/collaborators/{person.login}", permission=role)
        for one in person("GET", "/user/repository_invitations"):
            person("PATCH", f"/user/repository_invitations/{one['id']}")

    def fork(self, person: Person) -> Checkout:
        """Fork the repository and clone the fork."""
        full_name = person("POST", f"{self.path}/forks", default_branch_only=False)["full_name"]
        folder = self.folder / f"fork-of-{person.login}"
        remote = self.github.url.replace("://", f"://{person.login}:{person.token}@")
        subprocess.run(
            ["git", "clone", "--quiet", f"{remote}/{full_name}.git", str(folder)], check=True
        )
        clone = Checkout(self.github, full_name.partition("/")[2], folder)
        clone.git("config", "user.name", person.login)
        clone.git("config", "user.email", f"{person.login}@example.com")
        self.forks[person.login] = clone
        return clone

    def finish(self, run_id: int, state: runs.RunState = "succeeded") -> runs.Run:
        """Have a worker take a run and end it."""
        run = run_claims.claim(run_id)
        assert run is not None
        run_claims.finish(run, state, title="over")
        return run


@dataclass(frozen=True)
class Served:
    """A run and the deployment that it made."""

    run_id: int
    id: int


def serve(
    repository_id: int,
    digest: str,
    *,
    state: str = "replaced",
    environment: str = "production",
    **columns: Any,
) -> Served:
    """Something that was brought to an environment by a run that succeeded, with what it built.
    What is served later was live later."""
    number = next(_deliveries)
    run_columns = {"kind": "deploy"} | {
        name: columns.pop(name) for name in ("kind", "pull_number") if name in columns
    }
    artifact = {"kind": "folder", "reference": f"/{digest}", "digest": digest, "command": ["/x"]}
    run_id = seed.run(
        repository_id,
        state="succeeded",
        commit=f"{number:040x}",
        environment=environment,
        **run_columns,
    )
    stages = ("source", {"sha": digest}), ("manifest", {"manifest": {}}), ("build", artifact)
    for position, (name, result) in enumerate(stages):
        stored = {"artifact": result} if name == "build" else result
        seed.stage(run_id, name, position, state="succeeded", result=stored)
    ((deployment,),) = rows(
        """INSERT INTO mcp_deployments (repository_id, run_id, environment, host, host_id, url,
                                        artifact, state, live_at, withdrawn, discarded)
           VALUES (%s, %s, %s, 'process', %s, 'http://127.0.0.1:1/mcp', %s, %s,
                   '2026-01-01'::timestamptz + make_interval(hours => %s), %s, %s) RETURNING id""",
        *(repository_id, run_id, environment, f"sigil-{run_id}", Jsonb(artifact), state),
        *(run_id, columns.get("withdrawn", False), columns.get("discarded", False)),
    )
    return Served(run_id, deployment)


def made() -> list[tuple[Any, ...]]:
    """Kind, environment, state and commit of every run, oldest first."""
    return rows("SELECT kind, environment, state, sha FROM runs ORDER BY id")


def run_of(done: Done) -> runs.Run:
    """The one run that came of an errand."""
    (run_id,) = done.run_ids
    with transaction() as connection:
        run = runs.get(connection, run_id)
    assert run is not None
    return run
