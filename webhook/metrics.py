"""Prometheus metrics, read from the database and Redis at each scrape.

Nothing is counted in this process, so the figures are right with any number of web processes and
after any restart. When PostgreSQL or Redis is away, their figures are absent and
`sigil_part_up` says so.
"""

import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.exceptions import RedisError

from pipeline.github import missed
from pipeline.github.budget import holds
from pipeline.github.missed import Progress
from pipeline.overview.deliveries import DELIVERY_STATES
from pipeline.overview.holds import by_limit
from pipeline.overview.paging import reading
from pipeline.overview.runs import RUN_STATES
from pipeline.overview.totals import (
    QUANTILES,
    Durations,
    Totals,
    read_run_durations,
    read_stage_durations,
    read_totals,
)
from webhook.page_errors import DATABASE_AWAY, log_database
from webhook.parts import Doorbell, Part, read_doorbell, read_host


def sigil_version() -> str:
    """The version of Sigil that runs, installed or from its source tree."""
    try:
        return version("sigil")
    except PackageNotFoundError:
        project = Path(__file__).parent.parent / "pyproject.toml"
        return str(tomllib.loads(project.read_text())["project"]["version"])


def scrape() -> bytes:
    """All metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(SystemCollector())
    return generate_latest(registry)


class SystemCollector(Collector):
    """Reads the figures when it is asked for them."""

    def describe(self) -> list[Metric]:
        """Nothing: registering a collector must not read the database."""
        return []

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        yield InfoMetricFamily(
            "sigil_build", "The version that runs.", value={"version": sigil_version()}
        )
        doorbell = read_doorbell()
        up = {part.key: part for part in (*doorbell.parts, read_host())}
        try:
            with reading() as connection:
                totals = read_totals(connection, finished=True)
                runs = read_run_durations(connection)
                stages = read_stage_durations(connection)
                recovery = missed.progress(connection)
        except DATABASE_AWAY as error:
            log_database(error)
            database = Part("postgresql", "PostgreSQL", "down", "")
        else:
            database = Part("postgresql", "PostgreSQL", "up", "")
            yield from _deliveries(totals)
            yield from _recovery(recovery)
            yield from _runs(totals)
            yield from _durations("run", "outcome", "from its first claim to its end", runs)
            yield from _durations("stage", "stage", "that succeeded", stages)
        if up["redis"].state == "up":
            yield from _queues(doorbell)
            yield from _limits()
        yield _parts([database, *up.values()])


def _parts(parts: list[Part]) -> Metric:
    metric = GaugeMetricFamily(
        "sigil_part_up", "1 when the part answers, 0 when it does not.", labels=["part"]
    )
    for part in parts:
        if part.state != "unknown":
            metric.add_metric([part.key], float(part.state == "up"))
    return metric


def _by_state(name: str, help_text: str, states: tuple[str, ...], counts: dict[str, int]) -> Metric:
    metric = GaugeMetricFamily(name, help_text, labels=["state"])
    for state in states:
        metric.add_metric([state], counts.get(state, 0))
    return metric


def _age(name: str, help_text: str, seconds: float | None) -> Metric:
    """An age; 0 when nothing is there to be old, so that an alert on it needs no special case."""
    return GaugeMetricFamily(name, help_text, value=seconds or 0.0)


def _deliveries(totals: Totals) -> Iterator[Metric]:
    yield _by_state(
        "sigil_deliveries", "Deliveries in the ledger.", DELIVERY_STATES, totals.deliveries
    )
    yield _age(
        "sigil_delivery_oldest_waiting_seconds",
        "How long the oldest delivery that is due waits to be processed.",
        totals.oldest_waiting,
    )
    if totals.last_accepted is not None:
        yield GaugeMetricFamily(
            "sigil_delivery_last_accepted_seconds",
            "Time since the newest delivery was accepted.",
            value=totals.last_accepted,
        )


def _runs(totals: Totals) -> Iterator[Metric]:
    yield _by_state("sigil_runs", "Runs.", RUN_STATES, totals.runs)
    yield GaugeMetricFamily(
        "sigil_runs_unreported",
        "Runs with a change that GitHub has not been told.",
        value=totals.unreported,
    )
    yield _age(
        "sigil_run_oldest_unreported_seconds",
        "How long the oldest change that GitHub should have been told is overdue.",
        totals.oldest_unreported,
    )
    live = GaugeMetricFamily("sigil_servers_live", "Serving deployments.", labels=["host"])
    for host, number in sorted(totals.live.items()):
        live.add_metric([host], number)
    yield live


def _durations(
    what: str, label: str, meaning: str, durations: tuple[Durations, ...]
) -> Iterator[Metric]:
    # Gauges, not a Prometheus summary: the window slides, so its count may fall.
    seconds = GaugeMetricFamily(
        f"sigil_{what}_duration_seconds",
        f"How long a {what} {meaning} took, over the newest of the last 24 hours.",
        labels=[label, "quantile"],
    )
    count = GaugeMetricFamily(
        f"sigil_{what}_duration_window_count",
        f"How many sigil_{what}_duration_seconds was computed from.",
        labels=[label],
    )
    for duration in durations:
        count.add_metric([duration.name], duration.count)
        for quantile, value in zip(QUANTILES, duration.quantiles, strict=True):
            seconds.add_metric([duration.name, str(quantile)], value)
    yield seconds
    yield count


def _queues(doorbell: Doorbell) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("sigil_queue_jobs", "Jobs that wait in a queue.", labels=["queue"])
    for queue, number in doorbell.queues.items():
        jobs.add_metric([queue], number)
    yield jobs
    workers = GaugeMetricFamily("sigil_workers", "Registered workers.", labels=["state"])
    workers.add_metric(["busy"], doorbell.busy)
    workers.add_metric(["idle"], doorbell.workers - doorbell.busy)
    yield workers
    yield GaugeMetricFamily(
        "sigil_schedulers", "Schedulers with a fresh heartbeat.", value=doorbell.schedulers
    )


def _recovery(progress: Progress) -> Iterator[Metric]:
    yield GaugeMetricFamily(
        "sigil_deliveries_missing",
        "Deliveries that GitHub could not deliver and that have not come since.",
        value=progress.missing,
    )
    if progress.last_swept_at is not None:
        yield GaugeMetricFamily(
            "sigil_recovery_last_sweep_seconds",
            "Time since the last complete look for missed deliveries began.",
            value=(datetime.now(UTC) - progress.last_swept_at).total_seconds(),
        )


def _limits() -> Iterator[Metric]:
    """What GitHub's limits hold back. Accounts are not named: anybody may scrape."""
    try:
        uses = by_limit(holds())
    except RedisError:
        return
    now = datetime.now(UTC)
    held = GaugeMetricFamily(
        "sigil_github_held", "Accounts whose requests a limit holds back.", labels=["limit"]
    )
    seconds = GaugeMetricFamily(
        "sigil_github_held_seconds",
        "Until the last request that a limit holds back may be sent.",
        labels=["limit"],
    )
    for limit, use in uses.items():
        held.add_metric([limit], use.accounts)
        seconds.add_metric([limit], max(0.0, (use.until - now).total_seconds()) if use.until else 0)
    yield held
    yield seconds
