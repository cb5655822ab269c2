"""`flask --app webhook recover`: the sweep for missed deliveries now, and not within the hour."""

import time
from datetime import UTC, datetime, timedelta

import click
from psycopg import OperationalError
from rich.console import Console
from rich.status import Status

from config.settings import SettingsError
from pipeline.github.missed import KEPT, LOOK_BACK, Progress
from pipeline.github.recovery import Swept, sweep

_HOURS = int(LOOK_BACK.total_seconds() // 3600)
_MOST_HOURS = int(KEPT.total_seconds() // 3600)


@click.command()
@click.option(
    "--hours",
    type=click.IntRange(1, _MOST_HOURS),
    default=_HOURS,
    show_default=True,
    help="Look back at least so far; further when the last sweep is longer ago. GitHub keeps "
    f"{_MOST_HOURS} hours.",
)
@click.option("--no-wait", is_flag=True, help="Leave what has to wait for GitHub to the workers.")
def recover(hours: int, no_wait: bool) -> None:
    """Ask GitHub to deliver again what it could not deliver."""
    try:
        swept = _sweep(timedelta(hours=hours), wait=not no_wait)
    except OperationalError as error:
        raise click.ClickException(
            f"PostgreSQL does not answer ({type(error).__name__}): check DATABASE_URL, and that it "
            "runs."
        ) from None
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    if swept is None:
        click.echo("A worker has the sweep; the status page tells how far it is.")
        return
    click.echo(_words(swept.progress))
    if not swept.finished:
        when = f" at {swept.retry_at:%H:%M:%S} UTC" if swept.retry_at else ""
        raise click.ClickException(f"It had to stop: {swept.problem}. The workers go on{when}.")


def _sweep(look_back: timedelta, *, wait: bool) -> Swept | None:
    """Sweep to the end, through all pauses that GitHub's limits ask for; None when a worker has
    the sweep."""
    with Console(stderr=True).status("Reading what GitHub tried …") as status:
        swept = sweep(look_back=look_back, told=lambda progress: _show(status, progress))
        while swept is not None and not swept.finished and (wait or swept.retry_at is None):
            if swept.retry_at is not None:
                status.update(f"{_words(swept.progress)} Waiting: {swept.problem}.")
                time.sleep(max(0.0, (swept.retry_at - datetime.now(UTC)).total_seconds()))
            swept = sweep(start=False, told=lambda progress: _show(status, progress))
        return swept


def _show(status: Status, progress: Progress) -> None:
    status.update(_words(progress))


def _words(progress: Progress) -> str:
    since = progress.since.astimezone(UTC) if progress.since else None
    back = f" since {since:%Y-%m-%d %H:%M} UTC" if since else ""
    return (
        f"{progress.looked} failed attempts{back}: {progress.missed} deliveries had not come, "
        f"{progress.asked} asked for."
    )
