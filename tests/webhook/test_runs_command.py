"""`flask --app webhook runs …` with Flask's own runner; real PostgreSQL and Redis."""

from typing import Any

import pytest
from click.testing import Result
from flask.testing import FlaskCliRunner
from redis import Redis
from rq import Queue

from config.database import transaction
from pipeline import run_stages
from pipeline import runs as pipeline_runs
from sandbox.embedded import EmbeddedRedis
from tests import seed
from tests.webhook.served import serve, sha
from webhook.app import build
from workers import queues

OTHER = seed.sha(7)


WEATHER = seed.Seeded(workspace_id=1, installation_id=1, repository_id=1)


@pytest.fixture
def command(database_url: str, redis_url: str, webhook_secret: str) -> FlaskCliRunner:
    assert seed.repository().repository_id == WEATHER.repository_id
    return build().test_cli_runner()


def runs(command: FlaskCliRunner, *arguments: object) -> Result:
    return command.invoke(args=["runs", *map(str, arguments)])


def read(run_id: int) -> pipeline_runs.Run:
    with transaction() as connection:
        run = pipeline_runs.get(connection, run_id)
    assert run is not None
    return run


def queued(redis_url: str, queue: str) -> list[tuple[str | None, tuple[Any, ...]]]:
    """The jobs of a queue: their names and arguments."""
    with Redis.from_url(redis_url) as connection:
        jobs = Queue(queue, connection=connection).jobs
        return [(job.func_name, tuple(job.args)) for job in jobs]


def test_the_list_names_runs_newest_first_by_state_and_by_repository(
    command: FlaskCliRunner,
) -> None:
    old = seed.run(state="failed", title="It went wrong")
    new = seed.run(commit=OTHER)
    listed = runs(command, "list")
    assert listed.exit_code == 0, listed.stderr
    assert listed.stdout.index(OTHER[:7]) < listed.stdout.index(seed.SHA[:7])
    failed = runs(command, "list", "--state", "failed", "--repository", "octo/weather").stdout
    assert "It went wrong" in failed
    assert OTHER[:7] not in failed
    page = runs(command, "list", "--before", new, "--limit", 1).stdout
    assert f" {old} " in page
    assert OTHER[:7] not in page
    assert "octo/weather" not in runs(command, "list", "--repository", "octo/other").stdout


def test_show_tells_the_stages_the_error_and_the_end_of_the_log(command: FlaskCliRunner) -> None:
    error = {"title": "The build failed", "detail": "pip ended with 1", "fault": "yours"}
    run = seed.run(state="failed", title="The build failed", error=error)
    seed.stage(run, "source", 1, state="succeeded")
    seed.stage(run, "build", 3, state="failed")
    seed.log(run, "build", "first line", "middle line", "last line")
    shown = runs(command, "show", run, "--lines", 2)
    assert shown.exit_code == 0, shown.stderr
    for text in (seed.SHA, "production: failed", "The build failed", "pip ended with 1"):
        assert text in shown.stdout
    assert ["source", "succeeded"] in [line.split() for line in shown.stdout.splitlines()]
    assert "last line" in shown.stdout
    assert "first line" not in shown.stdout


def test_a_waiting_run_is_cancelled_at_once_and_github_is_told(
    command: FlaskCliRunner, redis_url: str
) -> None:
    run = seed.run()
    cancelled = runs(command, "cancel", run)
    assert cancelled.exit_code == 0, cancelled.stderr
    assert f"Run {run} is cancelled" in cancelled.stdout
    assert read(run).state == "cancelled"
    assert queued(redis_url, queues.REPORTS) == [("workers.jobs.report", (run,))]


def test_a_running_run_is_asked_to_stop(command: FlaskCliRunner) -> None:
    run = seed.run(state="running")
    cancelled = runs(command, "cancel", run)
    assert f"Run {run} stops" in cancelled.stdout
    assert (read(run).state, read(run).stop_requested) == ("running", "cancelled")


def test_a_run_that_has_ended_is_not_cancelled(command: FlaskCliRunner, redis_url: str) -> None:
    run = seed.run(state="succeeded")
    refused = runs(command, "cancel", run)
    assert refused.exit_code == 1
    assert "has ended already: succeeded" in refused.stderr
    assert read(run).state == "succeeded"
    assert queued(redis_url, queues.REPORTS) == []


def test_a_retried_run_is_a_further_attempt_that_is_reported_and_queued(
    command: FlaskCliRunner, redis_url: str
) -> None:
    run = seed.run(state="failed")
    retried = runs(command, "retry", run)
    assert retried.exit_code == 0, retried.stderr
    (report,) = queued(redis_url, queues.REPORTS)
    (job,) = queued(redis_url, queues.RUNS)
    new = read(job[1][0])
    assert (report, job) == (("workers.jobs.report", (new.id,)), ("workers.jobs.run", (new.id,)))
    assert (new.state, new.sha, new.attempt, new.parent_id) == ("queued", seed.SHA, 2, run)
    assert new.actor == pipeline_runs.OPERATOR
    assert f"Run {new.id} repeats run {run}" in retried.stdout


def test_a_run_that_has_not_ended_is_not_repeated(command: FlaskCliRunner, redis_url: str) -> None:
    run = seed.run(state="running")
    refused = runs(command, "retry", run)
    assert refused.exit_code == 1
    assert f"Run {run} of that commit has not ended yet" in refused.stderr
    assert queued(redis_url, queues.RUNS) == []


@pytest.mark.parametrize("action", ["show", "cancel", "retry"])
def test_an_unknown_number_is_said_and_what_to_do(command: FlaskCliRunner, action: str) -> None:
    failed = runs(command, action, 999_999)
    assert failed.exit_code == 1
    assert "There is no run 999999" in failed.stderr
    assert "runs list" in failed.stderr


def test_redis_away_a_retried_run_waits_for_the_sweep(
    command: FlaskCliRunner, redis_server: EmbeddedRedis
) -> None:
    run = seed.run(state="failed")
    redis_server.stop()
    try:
        retried = runs(command, "retry", run)
    finally:
        redis_server.start()
    assert retried.exit_code == 0
    assert "sweep" in retried.stderr
    assert "repeats" in retried.stdout


def test_a_rollback_brings_back_what_served_before(command: FlaskCliRunner, redis_url: str) -> None:
    serve(WEATHER, 1, version="1.0.0", state="replaced")
    serve(WEATHER, 2, version="1.1.0", state="live")
    done = runs(command, "rollback", "Octo/Weather")
    assert done.exit_code == 0, done.stderr
    (job,) = queued(redis_url, queues.RUNS)
    back = read(job[1][0])
    assert queued(redis_url, queues.REPORTS) == [("workers.jobs.report", (back.id,))]
    assert (back.kind, back.state, back.environment) == ("rollback", "queued", "production")
    assert (back.sha, back.actor) == (sha(1), pipeline_runs.OPERATOR)
    with transaction() as connection:
        taken = run_stages.of_run(connection, back.id)
    assert [row.stage for row in taken] == ["source", "manifest", "build"]
    said, address = done.stdout.splitlines()
    assert said == f"Run {back.id} brings back 1111111 in production of octo/weather."
    assert address == f"http://127.0.0.1:8080/runs/{back.id}"


def test_a_rollback_that_is_under_way_is_its_own_answer(command: FlaskCliRunner) -> None:
    serve(WEATHER, 1, version="1.0.0", state="replaced")
    serve(WEATHER, 2, version="1.1.0", state="live")
    first, second = (runs(command, "rollback", "octo/weather") for _ in range(2))
    assert second.exit_code == 0
    assert "is already bringing back" in second.stdout
    assert first.stdout.splitlines()[1] == second.stdout.splitlines()[1]


def test_a_rollback_finds_the_environment_and_a_former_name(command: FlaskCliRunner) -> None:
    serve(WEATHER, 1, version="1.0.0", state="replaced", environment="staging")
    serve(WEATHER, 2, version="1.1.0", state="live", environment="staging")
    with transaction() as connection:
        connection.execute(
            "INSERT INTO former_names (full_name, repository_id) VALUES ('octo/sunshine', 1)"
        )
    done = runs(command, "rollback", "octo/sunshine", "--environment", "staging")
    assert done.exit_code == 0, done.stderr
    assert "in staging of octo/weather" in done.stdout
    missing = runs(command, "rollback", "octo/weather")
    assert missing.exit_code == 1
    assert "nothing serves in production of octo/weather, only in staging" in missing.stderr


def test_a_rollback_that_is_not_possible_says_what_is(command: FlaskCliRunner) -> None:
    def refused(name: str = "octo/weather") -> str:
        done = runs(command, "rollback", name)
        assert (done.exit_code, done.stdout) == (1, "")
        return done.stderr

    assert "There is no repository octo/other here" in refused("octo/other")
    assert "runs list" in refused("no name at all")
    assert "Push to it, or repeat a run" in refused()
    serve(WEATHER, 1, version="1.0.0", state="live")
    assert "nothing else has served there" in refused()
    assert "Revert the commit" in refused()
    for column, words in (("archived = true", "is archived"), ("state = 'removed'", "install the")):
        with transaction() as connection:
            connection.execute(f"UPDATE repositories SET {column}")
        assert words in refused()
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)


def test_a_preview_is_not_rolled_back(command: FlaskCliRunner) -> None:
    serve(WEATHER, 1, version="1.0.0", state="replaced", environment="preview/pr-3")
    serve(WEATHER, 2, version="1.1.0", state="live", environment="preview/pr-3")
    refused = runs(command, "rollback", "octo/weather", "--environment", "preview/pr-3")
    assert refused.exit_code == 1
    assert "push the commit that it should show" in refused.stderr


def test_the_help_tells_what_a_rollback_is(command: FlaskCliRunner) -> None:
    said = runs(command, "rollback", "--help").stdout
    assert "OWNER/NAME" in said
    assert "--environment" in said
    assert "without a build" in said


def test_a_run_of_a_closed_pull_request_is_not_repeated(command: FlaskCliRunner) -> None:
    number = seed.run(state="failed", kind="preview", environment="preview/pr-3", pull_number=3)
    with transaction() as connection:
        connection.execute(
            """INSERT INTO pull_requests (repository_id, number, head_sha, head_ref, fork, base_ref,
                                          author, state)
               VALUES (1, 3, %s, 'topic', false, 'main', 'octo', 'closed')""",
            (seed.SHA,),
        )
    result = runs(command, "retry", number)
    assert result.exit_code == 1
    assert "closed: reopen it" in result.output
    with transaction() as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (1,)
