"""What GitHub's limits hold back, and what never came, on the status page and in the metrics."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from config.database import transaction
from config.settings import settings
from pipeline.github import budget
from pipeline.github.budget import Rules, holds
from pipeline.github.client import GitHubHeld
from pipeline.overview.holds import WAITING, by_limit, list_held_back
from sandbox.embedded import EmbeddedRedis
from tests import seed
from webhook.app import build


@pytest.fixture
def client(
    database_url: str, redis_url: str, webhook_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FlaskClient]:
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    yield build().test_client()
    settings.cache_clear()


def hold(
    installation_id: int | None, monkeypatch: pytest.MonkeyPatch, *, background: bool = False
) -> datetime:
    """Meet a limit, without anything being sent."""
    path = "/app/hook/deliveries/1/attempts" if installation_id is None else "/repos/o/r/statuses/s"
    request = httpx.Request("POST", f"{settings().github_api_url}{path}")
    (before,) = budget.hooks(installation_id)["request"]
    with monkeypatch.context() as tight, budget.spending(background=background):
        tight.setattr(budget, "RULES", Rules(burst=0))
        with pytest.raises(GitHubHeld) as held:
            before(request)
    return held.value.retry_at


def metrics(client: FlaskClient) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("limit", "")): sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
    }


def test_nothing_is_held_back(client: FlaskClient) -> None:
    page = client.get("/").text
    assert "Nothing is held back" in page
    assert "Has not looked for missed ones yet" in page
    found = metrics(client)
    assert {value for (name, _), value in found.items() if name.startswith("sigil_github_")} == {0}
    assert ("sigil_github_held", "pace") in found
    assert found["sigil_deliveries_missing", ""] == 0
    assert ("sigil_recovery_last_sweep_seconds", "") not in found


def test_what_waits_is_told_with_its_reason_and_its_moment(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = datetime.now(UTC) + timedelta(minutes=5)
    seed.repository()
    seed.run(due_at=later)
    seed.repository("elsewhere", "weather", number=2)
    with transaction() as connection:
        connection.execute("INSERT INTO errands (kind, repository_id) VALUES ('push', 1)")
    until = hold(1, monkeypatch)
    hold(None, monkeypatch, background=True)
    with transaction() as connection:
        app, octo = list_held_back(connection, holds())
    assert (app.app, app.account, [one.background for one in app.reasons]) == (True, None, [True])
    assert (octo.account, octo.reports, octo.errands, octo.runs) == ("octo", 1, 1, 1)
    (reason,) = octo.reasons
    assert (reason.words, reason.background) == (budget.LIMITS["pace"], False)
    assert abs(reason.until - until) < timedelta(seconds=1)
    page = client.get("/").text
    assert "<strong>octo</strong>, waiting: 1 report, 1 errand, 1 run." in page
    assert "The App itself" in page
    assert "elsewhere" not in page
    found = metrics(client)
    assert found["sigil_github_held", "pace"] == 2
    assert 0 < found["sigil_github_held_seconds", "pace"] <= 61
    assert "octo" not in client.get("/metrics").text


@pytest.mark.parametrize("shown", [True, False])
def test_an_account_with_private_repositories_only_is_not_named_to_all(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, shown: bool
) -> None:
    if shown:
        monkeypatch.setenv("SIGIL_SHOW_PRIVATE", "1")
        settings.cache_clear()
    seed.repository("secretive", private=True)
    hold(1, monkeypatch)
    page = client.get("/").text
    assert ("secretive" in page) is shown
    assert ("An account without public repositories" in page) is not shown


def test_without_redis_nobody_knows_what_is_held_back(
    client: FlaskClient, redis_server: EmbeddedRedis
) -> None:
    redis_server.stop()
    try:
        answer = client.get("/")
        found = metrics(client)
    finally:
        redis_server.start()
    assert answer.status_code == 200
    assert "Redis would know." in answer.text
    assert not [name for name, _ in found if name.startswith("sigil_github_")]


def test_missed_deliveries_are_told(client: FlaskClient) -> None:
    swept = datetime.now(UTC) - timedelta(minutes=12)
    with transaction() as connection:
        connection.execute(
            "UPDATE recovery SET last_swept_at = %s, missed = 3, asked = 3", (swept,)
        )
        connection.execute(
            """INSERT INTO missed_deliveries (guid, github_id, event, delivered_at)
               VALUES (gen_random_uuid(), 1, 'push', now())"""
        )
    seed.delivery(received_at=datetime.now(UTC) - timedelta(minutes=3))
    page = client.get("/").text
    assert "3 had not come, asked GitHub for 3" in page
    assert "1 missed delivery has not come so far" in page
    assert "3 minutes ago</time>. If you expect more, check the webhook" in page
    found = metrics(client)
    assert found["sigil_deliveries_missing", ""] == 1
    assert 700 < found["sigil_recovery_last_sweep_seconds", ""] < 900
    assert 170 < found["sigil_delivery_last_accepted_seconds", ""] < 400


def test_a_sweep_that_had_to_stop_says_why(client: FlaskClient) -> None:
    with transaction() as connection:
        connection.execute(
            """UPDATE recovery SET began_at = now(), problem = 'GitHub answered 502: Server Error',
                      due_at = now() + interval '1 minute'"""
        )
    assert "had to stop: GitHub answered 502: Server Error. It goes on" in client.get("/").text


def test_each_limit_has_words_and_a_metric() -> None:
    assert set(by_limit(())) == set(budget.LIMITS)


def test_what_waits_is_counted_by_indexes(database_url: str) -> None:
    seed.repository()
    with transaction() as connection:
        connection.execute(
            """INSERT INTO runs (repository_id, kind, environment, ref, sha, state,
                                 reported_revision)
               SELECT 1, 'deploy', 'production', 'refs/heads/main', lpad(to_hex(n), 40, '0'),
                      'succeeded', 1 FROM generate_series(1, 20000) AS n"""
        )
        connection.execute("ANALYZE")
        plan = connection.execute("EXPLAIN " + WAITING, {"ids": [1]}).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "runs_unreported" in text, text
    assert "Seq Scan on runs" not in text, text
