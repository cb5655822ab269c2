"""A seeded random life: what people do at GitHub, among faults that strike in between.

Every step is taken as its people take it: a push, a call of the REST API, a click, a command.
"""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import requests
from redis import Redis

from tests.github_fixture import Checkout, Person
from tests.repository_life import change_installation
from tests.stack_fixture import System, plain

BRANCHES = {"main": "production", "staging": "staging"}
"""The branches that `mcp.yaml` tracks, and their environments."""

_MANIFEST = "deploy: {on: {push: {main: production, staging: staging}}}\n"

# What the App asks GitHub and nobody else here does, so that a fault never meets the people.
CALLS = (
    ("POST", "/repos/*/check-runs"),
    ("PATCH", "/repos/*/check-runs/*"),
    ("POST", "/repos/*/statuses/*"),
    ("POST", "/repos/*/deployments"),
    ("POST", "/repos/*/deployments/*/statuses"),
    ("DELETE", "/repos/*/deployments/*"),
    ("PATCH", "/repos/*/issues/comments/*"),
    ("GET", "/repos/*/contents/*"),
    ("GET", "/repos/*/tarball/*"),
    ("GET", "/repos/*/git/ref/*"),
    ("GET", "/repos/*/collaborators/*"),
    ("POST", "/app/installations/*/access_tokens"),
    ("GET", "/app/hook/deliveries"),
    ("GET", "/installation/repositories"),
)
FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "status", "status": 401},
    {"kind": "secondary", "seconds": 2},
    {"kind": "status", "status": 502},
    {"kind": "status", "status": 502, "applied": True},
    {"kind": "reset", "applied": True},
    {"kind": "hang", "seconds": 20},
    {"kind": "truncated", "applied": True},
)
REFUSAL: dict[str, Any] = {"kind": "status", "status": 422}
"""Only reports are refused: a source that GitHub refuses to hand out fails its run, rightly."""


_BUSY = "SELECT 1 FROM runs WHERE state IN ('queued', 'running') LIMIT 1"


@dataclass
class Pull:
    """A pull request, as its people know it."""

    number: int
    branch: str
    where: Checkout
    fork: bool
    draft: bool
    head: str
    open: bool = True
    approved: str = ""
    cancelled: str = ""


@dataclass
class Home:
    """A repository with all that was done in it."""

    checkout: Checkout
    installed: bool = True
    versions: int = 0
    pulls: list[Pull] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    commits: set[str] = field(default_factory=set)


class Life:
    """Takes steps at random; the same seed takes the same ones.

    Attributes:
        told: The steps so far, to be shown when something is wrong in the end.
    """

    def __init__(self, system: System, seed: int, *, homes: int = 2) -> None:
        self.told: list[str] = []
        self._system = system
        self._random = random.Random(seed)  # noqa: S311 - it is to be repeatable
        self._seed = seed
        self._suspended = False
        self._left_suspended = 0
        self._counter = 0
        self.stranger: Person | None = None
        self.homes = [self._begin(f"life-{seed}-{number}") for number in range(homes)]

    def _begin(self, name: str) -> Home:
        home = Home(self._system.repository(name))
        self._commit_version(home)
        home.checkout.push()
        return home

    def step(self) -> None:
        """Let somebody do something, or something break."""
        self._left_suspended -= 1
        if self._suspended and self._left_suspended < 0:
            self._resume()  # Nothing is heard of GitHub until then: that is soon dull.
        chosen = self._random.choices(_STEPS, [weight for weight, _ in _STEPS])[0][1]
        home = self._random.choice(self.homes)
        said = chosen(self, home)
        if said:
            self.told.append(f"{home.checkout.name}: {said}")

    def let_go(self) -> None:
        """End all faults, and bring back what was taken away."""
        github = self._system.github
        github.behave()
        github.webhooks(paused=False, drop=0, duplicate=0, reverse=0)
        for program in ("web", "worker", "runner", "scheduler"):
            self._system.stack.processes.start(program)
        if self._suspended:
            self._resume()
        for home in self.homes:
            if not home.installed:
                self._bring_back(home)

    def _commit_version(self, home: Home) -> str:
        name = home.checkout.folder.name
        home.versions += 1
        made = plain(name)
        text = str(made["mcp.yaml"]).replace("version: 0.1.0", f"version: 0.{home.versions}.0")
        sha = home.checkout.commit(made | {"mcp.yaml": text + _MANIFEST}, self._message())
        home.commits.add(sha)
        return sha

    def _message(self) -> str:
        self._counter += 1
        return f"Change {self._counter}"

    def push_default(self, home: Home) -> str:
        sha = self._commit_version(home)
        home.checkout.push()
        return f"push {sha[:7]} to main"

    def push_staging(self, home: Home) -> str:
        home.checkout.push("--force", "HEAD:staging")
        return f"push {home.checkout.git('rev-parse', 'HEAD')[:7]} to staging"

    def push_back(self, home: Home) -> str:
        if int(home.checkout.git("rev-list", "--first-parent", "--count", "HEAD")) < 2:
            return ""
        home.checkout.git("reset", "--quiet", "--hard", "HEAD~1")
        home.checkout.push("--force", "HEAD:main")
        return f"force main back to {home.checkout.git('rev-parse', 'HEAD')[:7]}"

    def release(self, home: Home) -> str:
        sha = self._commit_version(home)
        tag = f"v0.{home.versions}.0"
        home.checkout.push()
        # GitHub dates a release, but not a tag: one that no event told of is not looked for.
        heard = home.installed and not self._suspended
        if self._random.random() < 0.5 or not heard:
            home.checkout.release(tag, target=sha)
        else:
            home.checkout.git("tag", tag)
            home.checkout.push(tag)
        home.tags.append(tag)
        return f"release {tag} at {sha[:7]}"

    def rename(self, home: Home) -> str:
        self._counter += 1
        new = f"{home.checkout.folder.name}-{self._counter}"
        home.checkout.rename(new)
        url = self._system.github.git_url(home.checkout.full_name)
        home.checkout.git("remote", "set-url", "origin", url)
        for pull in home.pulls:
            pull.where.upstream = home.checkout.full_name if pull.fork else pull.where.upstream
        return f"renamed to {new}"

    def open_pull(self, home: Home) -> str:
        self._counter += 1
        branch, draft = f"topic-{self._counter}", self._random.random() < 0.25
        fork = self._random.random() < 0.3
        where = self._fork_of(home) if fork else home.checkout
        where.git("checkout", "--quiet", "-b", branch)
        sha = where.commit({f"{branch}.txt": branch}, self._message())
        number = where.pull(branch, draft=draft)
        where.git("checkout", "--quiet", "main")
        home.commits.add(sha)
        home.pulls.append(Pull(number, branch, where, fork, draft, sha))
        return f"open #{number} at {sha[:7]}" + " from a fork" * fork + " as a draft" * draft

    def _fork_of(self, home: Home) -> Checkout:
        if self.stranger is None:
            self.stranger = home.checkout.make_user(f"stranger-{self._seed}")
        for pull in home.pulls:
            if pull.fork:
                return pull.where
        return home.checkout.fork(self.stranger)

    def _pull(self, home: Home, *, is_open: bool) -> Pull | None:
        found = [pull for pull in home.pulls if pull.open == is_open]
        return self._random.choice(found) if found else None

    def push_pull(self, home: Home) -> str:
        pull = self._pull(home, is_open=True)
        if pull is None:
            return ""
        pull.where.git("checkout", "--quiet", pull.branch)
        pull.head = pull.where.commit({f"{pull.branch}.txt": self._message()}, self._message())
        pull.where.push(f"HEAD:{pull.branch}")
        pull.where.git("checkout", "--quiet", "main")
        home.commits.add(pull.head)
        return f"push {pull.head[:7]} to #{pull.number}"

    def close(self, home: Home) -> str:
        pull = self._pull(home, is_open=True)
        if pull is None:
            return ""
        home.checkout.close(pull.number)
        pull.open = False
        return f"close #{pull.number}"

    def reopen(self, home: Home) -> str:
        pull = self._pull(home, is_open=False)
        if pull is None:
            return ""
        # A merged one stays closed, and so does one whose commits are all in the base.
        with suppress(requests.HTTPError):
            home.checkout.reopen(pull.number)
            pull.open = True
        return f"reopen #{pull.number}" if pull.open else ""

    def merge(self, home: Home) -> str:
        pull = self._pull(home, is_open=True)
        if pull is None or pull.draft:
            return ""
        try:
            sha = home.checkout.merge(pull.number)
        except requests.HTTPError:
            return ""
        pull.open = False
        home.checkout.git("pull", "--quiet", "--ff-only", "origin", "main")
        home.commits.add(sha)
        return f"merge #{pull.number} as {sha[:7]}"

    def turn_draft(self, home: Home) -> str:
        pull = self._pull(home, is_open=True)
        if pull is None:
            return ""
        home.checkout.click(pull.number, "ready" if pull.draft else "draft")
        pull.draft = not pull.draft
        return f"#{pull.number} is {'a draft' if pull.draft else 'ready'}"

    def command(self, home: Home) -> str:
        pull = self._pull(home, is_open=True)
        # GitHub tells nobody, then or later, what is written while the App may not see it.
        if pull is None or self._suspended or not home.installed:
            return ""
        verbs = ["deploy", "retry", "rollback", "cancel", "help"]
        verb = "approve" if pull.fork else self._random.choice(verbs)
        if verb == "approve":
            pull.approved = pull.head
        elif verb == "cancel":
            pull.cancelled = pull.head
        words = f"/sigil {verb}" + f" {pull.head}" * (verb == "approve")
        home.checkout.comment(pull.number, words)
        return f"{words} under #{pull.number}"

    def rerun(self, home: Home) -> str:
        sha = self._random.choice(sorted(home.commits))
        done = [one for one in home.checkout.checks(sha) if one["status"] == "completed"]
        if not done:
            return ""
        home.checkout.api("POST", f"/check-runs/{done[-1]['id']}/rerequest")
        return f"re-run the check of {sha[:7]}"

    def press(self, home: Home) -> str:
        sha = home.checkout.git("rev-parse", "HEAD")
        done = [one for one in home.checkout.checks(sha) if one["status"] == "completed"]
        if not done:
            return ""
        with suppress(requests.HTTPError):  # The check does not show that button now.
            home.checkout.press(done[-1]["id"], "rollback")
            return f"press Roll back at {sha[:7]}"
        return ""

    def remove(self, home: Home) -> str:
        if home.installed:
            change_installation(self._system.github, "remove", home.checkout.full_name)
            home.installed = False
            return "removed from the installation"
        self._bring_back(home)
        return "added to the installation"

    def _bring_back(self, home: Home) -> None:
        change_installation(self._system.github, "add", home.checkout.full_name)
        home.installed = True

    def suspend(self, _home: Home) -> str:
        if self._suspended:
            self._resume()
            return "unsuspended"
        self._left_suspended = 6
        change_installation(self._system.github, "suspend")
        self._suspended = True
        return "suspended"

    def _resume(self) -> None:
        change_installation(self._system.github, "unsuspend")
        self._suspended = False

    def breathe(self, _home: Home) -> str:
        """Look on for a moment, so that something comes of what was done."""
        give_up = time.monotonic() + self._random.uniform(1, 4)
        while time.monotonic() < give_up and self._system.rows(_BUSY):
            time.sleep(0.1)
        return ""

    def disturb_webhooks(self, _home: Home) -> str:
        mischief: dict[str, int] = self._random.choice(
            [{"drop": 2}, {"duplicate": 3}, {"reverse": 3}, {"paused": True}, {"paused": False}]
        )
        self._system.github.webhooks(**mischief)
        return f"webhooks {mischief}"

    def break_call(self, _home: Home) -> str:
        method, path = self._random.choice(CALLS)
        faults = (*FAULTS, REFUSAL) if method != "GET" and "token" not in path else FAULTS
        fault = self._random.choice(faults) | {"times": self._random.randint(1, 2)}
        self._system.github.fail(method, path, **fault)
        return f"{method} {path} meets {fault}"

    def kill(self, _home: Home) -> str:
        program = self._random.choice(["worker", "runner"])
        with suppress(Exception):  # It may be stopped.
            self._system.kill_workers(program)
        return f"kill -9 below {program}"

    def empty_redis(self, _home: Home) -> str:
        Redis.from_url(self._system.config.redis_url).flushall()
        return "Redis emptied"

    def stop_or_start(self, _home: Home) -> str:
        program = self._random.choice(["web", "worker"])
        processes = self._system.stack.processes
        if processes.states()[program] == "RUNNING":
            processes.stop(program)
            return f"{program} stopped"
        processes.start(program)
        return f"{program} started"


_STEPS: list[tuple[int, Callable[[Life, Home], str]]] = [
    (6, Life.push_default),
    (3, Life.push_staging),
    (2, Life.push_back),
    (2, Life.release),
    (1, Life.rename),
    (5, Life.open_pull),
    (3, Life.push_pull),
    (3, Life.close),
    (3, Life.reopen),
    (2, Life.merge),
    (2, Life.turn_draft),
    (4, Life.command),
    (2, Life.rerun),
    (2, Life.press),
    (2, Life.remove),
    (1, Life.suspend),
    (6, Life.disturb_webhooks),
    (7, Life.break_call),
    (4, Life.kill),
    (2, Life.empty_redis),
    (3, Life.stop_or_start),
    (10, Life.breathe),
]
