"""The metrics as Prometheus reads them: parsed with its own parser, from real parts."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis
from rq import Queue, Worker

from config import database
from config.settings import settings
from sandbox.embedded import EmbeddedRedis, Postgres
from tests import seed
from webhook.app import build
from webhook.metrics import sigil_version

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def client(
    database_url: str, redis_url: str, webhook_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FlaskClient]:
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    yield build().test_client()
    settings.cache_clear()


def scrape(client: FlaskClient) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.mimetype == "text/plain"
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples[name, tuple(sorted(labels.items()))]


def test_an_empty_system_has_a_zero_for_each_state(client: FlaskClient) -> None:
    samples = scrape(client)
    for state in ("received", "queued", "done", "ignored", "failed", "dead"):
        assert value(samples, "sigil_deliveries", state=state) == 0
    for state in ("queued", "running", "succeeded", "failed", "cancelled", "superseded"):
        assert value(samples, "sigil_runs", state=state) == 0
    assert value(samples, "sigil_build_info", version=sigil_version()) == 1
    assert value(samples, "sigil_part_up", part="postgresql") == 1
    assert value(samples, "sigil_part_up", part="redis") == 1
    assert value(samples, "sigil_part_up", part="workers") == 0
    assert ("sigil_delivery_last_accepted_seconds", ()) not in samples


def test_the_figures_are_those_of_the_database(client: FlaskClient) -> None:
    seeded = seed.repository()
    now = datetime.now(UTC)
    seed.delivery(state="dead", received_at=now - timedelta(hours=2))
    seed.delivery(
        state="queued", due_at=now - timedelta(minutes=5), received_at=now - timedelta(minutes=5)
    )
    started = now - timedelta(minutes=3)
    run = seed.run(
        state="succeeded",
        started_at=started,
        finished_at=started + timedelta(seconds=40),
        report_due_at=now - timedelta(minutes=1),
    )
    seed.stage(
        run,
        "build",
        2,
        state="succeeded",
        started_at=started,
        finished_at=started + timedelta(seconds=25),
    )
    seed.deployment(seeded, run, seed.package(seeded, run))
    samples = scrape(client)
    assert value(samples, "sigil_deliveries", state="dead") == 1
    assert 300 <= value(samples, "sigil_delivery_oldest_waiting_seconds") < 600
    assert 300 <= value(samples, "sigil_delivery_last_accepted_seconds") < 600
    assert value(samples, "sigil_runs_unreported") == 1
    assert 60 <= value(samples, "sigil_run_oldest_unreported_seconds") < 300
    assert value(samples, "sigil_servers_live", host="process") == 1
    took = value(samples, "sigil_run_duration_seconds", outcome="succeeded", quantile="0.5")
    assert took == pytest.approx(40)
    built = value(samples, "sigil_stage_duration_seconds", stage="build", quantile="0.99")
    assert built == pytest.approx(25)
    assert value(samples, "sigil_run_duration_window_count", outcome="succeeded") == 1


def test_queues_and_workers_come_from_redis(client: FlaskClient, redis_url: str) -> None:
    connection = Redis.from_url(redis_url)
    queue = Queue("runs", connection=connection)
    queue.enqueue("tests.nothing")
    queue.enqueue("tests.nothing")
    Worker([queue], connection=connection).register_birth()
    samples = scrape(client)
    assert value(samples, "sigil_queue_jobs", queue="runs") == 2
    assert value(samples, "sigil_workers", state="idle") == 1
    assert value(samples, "sigil_part_up", part="workers") == 1


def test_another_process_gives_the_same_figures(client: FlaskClient) -> None:
    seed.delivery(state="done")
    one = value(scrape(client), "sigil_deliveries", state="done")
    other = value(scrape(build().test_client()), "sigil_deliveries", state="done")
    assert one == other == 1


@pytest.mark.usefixtures("impatient")
def test_without_postgresql_the_rest_is_still_told(client: FlaskClient, postgres: Postgres) -> None:
    database.close_pool()
    postgres.stop()
    try:
        samples = scrape(client)
    finally:
        database.close_pool()
        postgres.start()
    assert value(samples, "sigil_part_up", part="postgresql") == 0
    assert value(samples, "sigil_part_up", part="redis") == 1
    assert not [name for name, _ in samples if name.startswith("sigil_deliver")]


def test_without_redis_the_rest_is_still_told(
    client: FlaskClient, redis_server: EmbeddedRedis
) -> None:
    seed.delivery(state="done")
    redis_server.stop()
    try:
        samples = scrape(client)
    finally:
        redis_server.start()
    assert value(samples, "sigil_part_up", part="redis") == 0
    assert value(samples, "sigil_deliveries", state="done") == 1
    # Nobody knows of the workers then; a 0 would be a false alarm of its own.
    assert not [labels for name, labels in samples if labels == (("part", "workers"),)]
    assert not [name for name, _ in samples if name in ("sigil_workers", "sigil_queue_jobs")]
