"""`flask --app webhook runs …`: runs on the command line, to cancel, repeat, or roll back."""

from collections.abc import Callable
from typing import get_args

import click
from flask.cli import AppGroup
from redis.exceptions import RedisError
from rich.table import Table

from config.database import Connection
from config.settings import settings
from pipeline import deployments, pull_requests, run_logs, run_making, run_stages
from pipeline import runs as pipeline_runs
from pipeline.overview.paging import MAX_PAGE_SIZE, Window
from pipeline.overview.runs import find_repository, list_runs
from pipeline.runs import OPERATOR, PRODUCTION
from webhook.commands import console, database
from workers import queues

runs = AppGroup("runs", help="Look at runs, cancel them, have them run again, or roll back.")


@runs.command("list")
@click.option(
    "--state", type=click.Choice(get_args(pipeline_runs.RunState)), help="Only those in this state."
)
@click.option("--repository", help="Only those of this owner/name.")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE_SIZE),
    default=20,
    show_default=True,
    help="At most so many.",
)
@click.option("--before", type=int, help="Only those with a smaller number: the next page.")
def list_(
    state: pipeline_runs.RunState | None, repository: str | None, limit: int, before: int | None
) -> None:
    """List runs, newest first."""
    with database() as connection:
        window = Window(before=before, size=limit)
        page = list_runs(connection, window, state=state, repository=repository, private=True)
    table = Table("number", "queued", "repository", "commit", "environment", "state", "title")
    for row in page.rows:
        table.add_row(
            str(row.id),
            f"{row.created_at:%Y-%m-%d %H:%M:%S}",
            row.repository,
            row.sha[:7],
            row.environment,
            row.state,
            row.title or "",
        )
    console().print(table)


@runs.command()
@click.argument("number", type=int)
@click.option("--lines", default=40, show_default=True, help="Lines of the log's end.")
def show(number: int, lines: int) -> None:
    """Show run NUMBER: its stages, what came of it, and the end of its log."""
    with database() as connection:
        run = pipeline_runs.get(connection, number)
        stages = run_stages.of_run(connection, number)
        tail = run_logs.tail(connection, number, None, lines=lines)
    if run is None:
        raise _not_found(number)
    click.echo(f"run {run.id} of {run.sha} for {run.environment}: {run.state}")
    if run.title:
        click.echo(run.title)
    for stage in stages:
        click.echo(f"  {stage.stage:<10} {stage.state}")
    if run.error:
        click.echo(f"\n{run.error['detail']}")
    click.echo("\n" + "\n".join(tail))


@runs.command()
@click.argument("number", type=int)
def cancel(number: int) -> None:
    """Cancel run NUMBER: at once when it waits, at its next step when it runs."""
    with database() as connection:
        state = pipeline_runs.cancel(connection, number)
    if state is None:
        raise _not_found(number)
    if state in pipeline_runs.FINAL:
        raise click.ClickException(f"Run {number} has ended already: {state}.")
    click.echo(f"Run {number} is cancelled." if state == "queued" else f"Run {number} stops.")
    _ring(number, queues.enqueue_report)


@runs.command()
@click.argument("number", type=int)
def retry(number: int) -> None:
    """Run the commit of run NUMBER again, for the same environment."""
    with database() as connection:
        run = pipeline_runs.get(connection, number)
        if run is None:
            raise _not_found(number)
        if pull_requests.is_closed(connection, run):
            raise click.ClickException("The pull request is closed: reopen it to run it again.")
        created = run_making.rerun(connection, run, actor=OPERATOR)
    if not created.new:
        raise click.ClickException(f"Run {created.run.id} of that commit has not ended yet.")
    click.echo(f"Run {created.run.id} repeats run {number}.")
    # GitHub is told that the run waits before a worker takes it and has more to tell.
    _ring(created.run.id, queues.enqueue_report, queues.enqueue_run)


@runs.command()
@click.argument("repository", metavar="OWNER/NAME")
@click.option(
    "--environment", default=PRODUCTION, show_default=True, help="Where to bring it back."
)
def rollback(repository: str, environment: str) -> None:
    """Bring back what served in an environment of OWNER/NAME before what serves there now.

    It is the same artifact, started again without a build. A former name will do, too.
    """
    if environment.startswith("preview/"):
        raise click.ClickException(
            "A preview is not rolled back: push the commit that it should show to its pull request."
        )
    with database() as connection:
        found = _active(connection, repository)
        if deployments.live(connection, found.id, environment) is None:
            raise click.ClickException(_nothing_serves(connection, found, environment))
        target = deployments.last_good(connection, found.id, environment)
        if target is None:
            raise click.ClickException(
                f"There is nothing to go back to in {environment} of {found.full_name}: nothing "
                "else has served there, or its artifact is not kept any more. Revert the commit "
                "and push instead."
            )
        created = run_making.roll_back(connection, target.id, actor=OPERATOR)
    run = created.run
    what = f"{run.sha[:7]} in {environment} of {found.full_name}"
    verb = "brings back" if created.new else "is already bringing back"
    click.echo(f"Run {run.id} {verb} {what}.")
    click.echo(f"{settings().public_url}/runs/{run.id}")
    _ring(run.id, queues.enqueue_report, queues.enqueue_run)


def _active(connection: Connection, name: str) -> pipeline_runs.Repository:
    repository_id = find_repository(connection, name, private=True)
    found = pipeline_runs.repository(connection, repository_id) if repository_id else None
    if found is None:
        raise click.ClickException(
            f"There is no repository {name} here. Write it as OWNER/NAME, as "
            "`flask --app webhook runs list` shows it; the GitHub App has to be installed on it."
        )
    if found.state != "active":
        raise click.ClickException(
            f"{found.full_name} was taken from the GitHub App: install the App on it again, then "
            "roll back."
        )
    if found.archived:
        raise click.ClickException(
            f"{found.full_name} is archived, so nothing new runs for it. Unarchive it at GitHub, "
            "then roll back."
        )
    return found


def _nothing_serves(
    connection: Connection, repository: pipeline_runs.Repository, environment: str
) -> str:
    serving = deployments.serving_in(connection, repository.id)
    where = f"nothing serves in {environment} of {repository.full_name}"
    if serving:
        return f"There is nothing to roll back: {where}, only in {', '.join(serving)}."
    return f"There is nothing to roll back: {where}. Push to it, or repeat a run, to deploy it."


def _ring(run_id: int, *enqueue: Callable[[int], None]) -> None:
    try:
        for each in enqueue:
            each(run_id)
    except RedisError:
        click.echo("Redis does not answer; the next sweep picks it up.", err=True)


def _not_found(number: int) -> click.ClickException:
    return click.ClickException(
        f"There is no run {number}. `flask --app webhook runs list` shows what there is."
    )
