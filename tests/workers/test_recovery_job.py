"""A sweep for missed deliveries that was put back is taken up again when its moment has come."""

import pytest
from rq import Queue

from config.database import transaction
from config.redis import redis
from config.settings import settings
from sandbox.github import GitHubStandIn
from workers import jobs
from workers.queues import MAINTENANCE

JOB = "workers.jobs.redeliver_missed"


def rung() -> list[tuple[str, tuple[int, ...]]]:
    queue = Queue(MAINTENANCE, connection=redis())
    return [(job.func_name, tuple(job.args)) for job in queue.jobs if job.func_name == JOB]


def put_back(due: str) -> None:
    with transaction() as connection:
        connection.execute(
            """UPDATE recovery SET began_at = now(), since = now() - interval '3 hours',
                      due_at = now() + %s::interval""",
            (due,),
        )


@pytest.mark.usefixtures("database_url", "redis_url")
def test_the_sweep_rings_for_one_that_was_put_back_once_its_moment_has_come() -> None:
    jobs.sweep()
    assert rung() == []
    put_back("1 minute")
    jobs.sweep()
    assert rung() == []
    put_back("-1 second")
    jobs.sweep()
    jobs.sweep()
    # It goes on with what was begun, once, and begins nothing.
    assert rung() == [(JOB, (0,))]


@pytest.mark.usefixtures("database_url", "redis_url")
def test_the_job_brings_a_sweep_to_its_end(github: GitHubStandIn) -> None:
    def last() -> object:
        with transaction() as connection:
            return connection.execute("SELECT last_swept_at, began_at FROM recovery").fetchone()

    jobs.redeliver_missed(0)
    assert last() == (None, None)
    jobs.redeliver_missed()
    first = last()
    assert isinstance(first, tuple)
    assert first[0] is not None
    assert first[1] is None
    put_back("0 seconds")
    jobs.redeliver_missed(0)
    assert last() not in (first, (None, None))


@pytest.mark.usefixtures("database_url", "redis_url")
def test_without_an_app_there_is_nothing_to_miss(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_APP_ID", "GITHUB_PRIVATE_KEY", "GITHUB_PRIVATE_KEY_FILE"):
        monkeypatch.delenv(name, raising=False)
    settings.cache_clear()
    jobs.redeliver_missed()
    with transaction() as connection:
        row = connection.execute("SELECT began_at FROM recovery").fetchone()
    assert row == (None,)
