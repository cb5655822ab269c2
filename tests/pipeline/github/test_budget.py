"""Sigil slows down before the stand-in's limits do, however many processes speak to it."""

import itertools
import json
import multiprocessing
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from githubkit.exception import RequestFailed

from config.settings import settings
from pipeline.github import budget
from pipeline.github.budget import Rules, creates_content, holds
from pipeline.github.client import (
    GitHubAway,
    GitHubHeld,
    GitHubRefused,
    client,
    speaking,
    speaking_as_app,
)
from sandbox.embedded import EmbeddedRedis
from sandbox.github import GitHubStandIn
from sandbox.github.limits import Budgets
from tests.github_fixture import Checkout, install, new_repository
from tests.outside_evidence import assert_like_github


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory, app_key: Path) -> Iterator[Checkout]:
    """A repository with one commit, on which the App is installed."""
    folder = tmp_path_factory.mktemp("budget")
    with GitHubStandIn(folder / "github", private_key_file=app_key) as stand_in:
        made = new_repository(stand_in, "weather", folder / "weather")
        made.commit({"README.md": "weather"})
        made.push()
        install(stand_in)
        yield made
    assert_like_github(stand_in.traffic.text())


@pytest.fixture
def weather(
    standing: Checkout, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Checkout]:
    """The repository, when nobody has asked anything yet."""
    github = standing.github
    github.limits.budgets = Budgets()
    github.limits._uses.clear()
    github.traffic.path.write_text("")
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setenv("GITHUB_APP_ID", str(github.app_id))
    monkeypatch.setenv("GITHUB_PRIVATE_KEY_FILE", str(github.private_key_file))
    monkeypatch.setenv("GITHUB_TIMEOUT", "1")
    settings.cache_clear()
    client.cache_clear()
    yield standing
    github.faults.clear()
    settings.cache_clear()
    client.cache_clear()


@pytest.fixture
def rules(monkeypatch: pytest.MonkeyPatch) -> Callable[[Rules], None]:
    def hold_to(wanted: Rules) -> None:
        monkeypatch.setattr(budget, "RULES", wanted)

    return hold_to


def installation(weather: Checkout) -> int:
    (found,) = weather.github.world.installations
    return found


def read(number: int, *, background: bool = False) -> None:
    with speaking(number, background=background) as github:
        github.rest.repos.get("octocat", "weather")


def write(number: int, sha: str, *, background: bool = False) -> None:
    with speaking(number, background=background) as github:
        github.rest.repos.create_commit_status("octocat", "weather", sha, state="pending")


def answers(github: GitHubStandIn) -> list[dict[str, Any]]:
    """Every REST request so far that was not the tests' own."""
    entries = map(json.loads, github.traffic.path.read_text().splitlines())
    return [entry for entry in entries if entry["template"] != "/user/repos"]


def refused(github: GitHubStandIn) -> list[dict[str, Any]]:
    return [one for one in answers(github) if one["status"] in (403, 429)]


def until_held(say: Callable[[], None], *, at_most: int = 200) -> tuple[int, GitHubHeld]:
    """Say it until it is held back; how often it was said, and what held it back."""
    for said in range(at_most):
        try:
            say()
        except GitHubHeld as held:
            return said, held
    raise AssertionError(f"not held back after {at_most}")


def _hammer(number: int, sha: str, held: Any) -> None:
    for turn in range(40):
        try:
            if turn % 3:
                read(number)
            else:
                write(number, sha)
        except GitHubHeld:
            with held.get_lock():
                held.value += 1


@pytest.mark.parametrize(
    "budgets",
    [
        Budgets(points_per_minute=60),
        Budgets(content_per_minute=7),
        Budgets(content_per_hour=5),
        Budgets(concurrent=3),
        Budgets(per_hour=50),
    ],
    ids=["points", "content", "content an hour", "at once", "an hour"],
)
def test_a_flood_from_many_processes_is_never_refused(
    weather: Checkout,
    rules: Callable[[Rules], None],
    budgets: Budgets,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GITHUB_SPACING", "0.0001")
    settings.cache_clear()
    weather.github.limits.budgets = budgets
    rules(
        Rules(
            points_per_minute=budgets.points_per_minute,
            content_per_minute=budgets.content_per_minute,
            content_per_hour=budgets.content_per_hour,
            concurrent=budgets.concurrent,
        )
    )
    number, sha = installation(weather), weather.git("rev-parse", "HEAD")
    read(number)
    fork = multiprocessing.get_context("fork")
    held = fork.Value("i", 0)
    processes = [fork.Process(target=_hammer, args=(number, sha, held)) for _ in range(5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 5
    assert refused(weather.github) == []
    assert held.value > 0
    # Held back is only what has no room: something came through, and the rest was not sent.
    sent = [one for one in answers(weather.github) if "/app/" not in one["template"]]
    assert 0 < len(sent) <= 200 + 1 - held.value


def test_background_work_leaves_a_reserve_to_what_somebody_waits_for(weather: Checkout) -> None:
    weather.github.limits.budgets.per_hour = 50
    number = installation(weather)
    said, held = until_held(lambda: read(number, background=True))
    assert said == 40
    hour = datetime.now(UTC) + timedelta(hours=1)
    assert hour - timedelta(minutes=5) < held.retry_at < hour + timedelta(minutes=5)
    said, held = until_held(lambda: read(number))
    assert said == 9
    assert refused(weather.github) == []
    assert {(one.priority, one.limit) for one in holds()} == {
        ("background", "hourly"),
        ("reports", "hourly"),
    }
    assert {one.installation_id for one in holds()} == {number}


def test_what_is_said_in_the_background_is_known_from_outside(weather: Checkout) -> None:
    weather.github.limits.budgets.per_hour = 50
    number = installation(weather)
    with budget.in_background():
        assert until_held(lambda: read(number))[0] == 40
    read(number)


def test_a_runs_reports_are_not_slowed_and_a_flood_is_spaced(weather: Checkout) -> None:
    number, sha = installation(weather), weather.git("rev-parse", "HEAD")
    said, first = until_held(lambda: write(number, sha))
    assert said >= 30
    # Each of those who wait comes back at a moment of its own, a second after the one before.
    moments = [first.retry_at]
    while len(moments) < 4:
        try:
            write(number, sha)
        except GitHubHeld as held:
            moments.append(held.retry_at)
    for one, next_one in itertools.pairwise(moments):
        assert next_one - one >= timedelta(seconds=0.99)
    read(number)


def test_a_server_without_limits_on_bursts_is_not_slowed(
    weather: Checkout, rules: Callable[[Rules], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SPACING", "0")
    settings.cache_clear()
    rules(Rules(points_per_minute=5, content_per_minute=2, concurrent=1, burst=1))
    weather.github.limits.budgets.per_hour = 50
    number, sha = installation(weather), weather.git("rev-parse", "HEAD")
    for _ in range(10):
        write(number, sha)
    assert until_held(lambda: read(number))[0] == 39


def test_the_last_of_many_that_wait_is_not_sent_away_for_long(
    weather: Checkout, rules: Callable[[Rules], None]
) -> None:
    number = installation(weather)
    read(number)
    rules(Rules(points_per_minute=1, queue=5))
    moments = []
    for _ in range(30):
        with pytest.raises(GitHubHeld) as held:
            read(number)
        moments.append(held.value.retry_at)
    assert max(moments) - min(moments) <= timedelta(seconds=6)


@pytest.mark.parametrize(
    "fault", [{"kind": "secondary", "seconds": 30}, {"kind": "rate-limited", "status": 429}]
)
def test_what_github_says_once_all_workers_know(weather: Checkout, fault: dict[str, Any]) -> None:
    weather.github.fail("GET", "/repos/{owner}/{repo}", **fault)
    number = installation(weather)
    with pytest.raises(GitHubHeld) as told:
        read(number)
    before = len(answers(weather.github))
    with pytest.raises(GitHubHeld) as held:
        read(number)
    assert len(answers(weather.github)) == before
    assert abs(held.value.retry_at - told.value.retry_at) < timedelta(seconds=5)
    assert [one.limit for one in holds()] == ["told"]
    assert "GitHub asked Sigil to wait" in str(held.value)


def test_a_limit_is_not_taken_for_a_missing_permission(weather: Checkout) -> None:
    weather.github.fail("GET", "/repos/{owner}/{repo}", "rate-limited", status=403)
    looked_like_one = False
    with pytest.raises(GitHubHeld), speaking(installation(weather)) as github:
        try:
            github.rest.repos.get("octocat", "weather")
        except RequestFailed:
            looked_like_one = True
            raise
    assert not looked_like_one


@pytest.mark.parametrize("status", [401, 403, 404, 422, 502])
def test_another_failure_holds_nothing_back(weather: Checkout, status: int) -> None:
    number = installation(weather)
    read(number)
    weather.github.fail("GET", "/repos/{owner}/{repo}", "status", status=status)
    with pytest.raises((GitHubAway, GitHubRefused)) as failed:
        read(number)
    assert not isinstance(failed.value, GitHubHeld)
    read(number)
    assert holds() == ()


def test_the_app_has_a_budget_of_its_own(weather: Checkout) -> None:
    weather.github.limits.budgets.per_hour = 50
    number = installation(weather)
    until_held(lambda: read(number))
    with speaking_as_app() as github:
        app = github.request("GET", "/app").json()
    assert app["slug"] == "sigil"
    weather.github.fail("GET", "/app", "secondary", seconds=30)
    with pytest.raises(GitHubHeld), speaking_as_app() as github:
        github.request("GET", "/app")
    with pytest.raises(GitHubHeld), speaking_as_app() as github:
        github.request("GET", "/app")
    assert (None, "told") in {(one.installation_id, one.limit) for one in holds()}


def test_a_request_without_an_answer_is_not_under_way_for_ever(
    weather: Checkout, rules: Callable[[Rules], None]
) -> None:
    rules(Rules(concurrent=1, reports=1.0))
    number = installation(weather)
    weather.github.fail("GET", "/repos/{owner}/{repo}", "hang", seconds=30)
    with pytest.raises(GitHubAway, match="did not answer"):
        read(number)
    read(number)


def test_a_held_token_holds_what_needs_it(weather: Checkout) -> None:
    weather.github.fail(
        "POST", "/app/installations/{installation_id}/access_tokens", "secondary", seconds=30
    )
    number = installation(weather)
    for _ in range(2):
        with pytest.raises(GitHubHeld):
            read(number)
    assert [one["template"] for one in answers(weather.github)].count("/repos/{owner}/{repo}") == 0


def test_an_old_answer_does_not_bring_requests_back(weather: Checkout) -> None:
    number = installation(weather)
    url = f"{settings().github_api_url}/repos/octocat/weather"

    def answer(remaining: int, resets_in: int) -> None:
        now = datetime.now(UTC)
        headers = {
            "date": now.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ratelimit-limit": "5000",
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": str(int(now.timestamp()) + resets_in),
            "x-ratelimit-resource": "core",
        }
        (hook,) = budget.hooks(number)["response"]
        hook(httpx.Response(200, headers=headers, request=httpx.Request("GET", url)))

    answer(50, 1800)
    answer(4000, 1799)
    with pytest.raises(GitHubHeld):
        read(number)
    answer(4000, 3600)
    read(number)


def test_redis_away_holds_nothing_back(weather: Checkout, redis_server: EmbeddedRedis) -> None:
    number = installation(weather)
    hooks = budget.hooks(number)
    redis_server.stop()
    try:
        with httpx.Client(event_hooks=hooks) as http, budget.spending():
            answer = http.get(f"{weather.github.url}/repos/octocat/weather")
    finally:
        redis_server.start()
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "creates"),
    [
        ("POST", "/repos/o/r/check-runs", True),
        ("POST", "/repos/o/r/issues/1/comments", True),
        ("PUT", "/repos/o/r/contents/mcp.yaml", True),
        ("PATCH", "/repos/o/r/check-runs/1", False),
        ("DELETE", "/repos/o/r/deployments/1", False),
        ("GET", "/repos/o/r", False),
        ("POST", "/app/installations/1/access_tokens", False),
        ("POST", "/app/hook/deliveries/1/attempts", False),
    ],
)
def test_what_counts_as_creating_content(method: str, path: str, creates: bool) -> None:
    assert creates_content(method, path) is creates


def test_background_work_stops_writing_before_reports_do(weather: Checkout) -> None:
    number, sha = installation(weather), weather.git("rev-parse", "HEAD")
    said, _ = until_held(lambda: write(number, sha, background=True))
    assert said < 30
    write(number, sha)
    assert [one.priority for one in holds()] == ["background"]
