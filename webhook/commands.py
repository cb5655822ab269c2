"""`flask --app webhook deliveries …`: the ledger on the command line, and new life for the dead."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import get_args
from uuid import UUID

import click
from flask.cli import AppGroup
from psycopg import OperationalError
from redis.exceptions import RedisError
from rich.console import Console
from rich.table import Table

from config.database import Connection, transaction
from config.settings import settings
from pipeline import deliveries as ledger
from pipeline.overview.deliveries import get_delivery, list_deliveries
from pipeline.overview.paging import MAX_PAGE_SIZE, Window
from registry.one_time_keys import KEY_MINUTES
from workers import queues

# Into a pipe or a file nothing is cut off that has a usual length.
_WIDE = 240

deliveries = AppGroup("deliveries", help="Look into the ledger of GitHub's deliveries.")


def console() -> Console:
    """Where tables are printed."""
    terminal = Console()
    if not terminal.is_terminal:
        terminal.width = _WIDE
    return terminal


@contextmanager
def database() -> Iterator[Connection]:
    """A transaction, or a message that says what to check."""
    try:
        with transaction() as connection:
            yield connection
    except OperationalError as error:
        raise click.ClickException(
            f"PostgreSQL does not answer ({type(error).__name__}): check DATABASE_URL, and that it "
            "runs."
        ) from None


def echo_link(path: str, key: str, what: str) -> None:
    """Print the address that opens a page with a key, and how it is used."""
    click.echo(f"{settings().public_url}{path}#{key}")
    click.echo(
        f"It opens {what} once, within {KEY_MINUTES} minutes. Where the address is another one, "
        f"replace the part before {path}. What stands behind # is the key, which the page asks for "
        "when scripts do not run.",
        err=True,
    )


@deliveries.command("list")
@click.option(
    "--state", type=click.Choice(get_args(ledger.State)), help="Only those in this state."
)
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE_SIZE),
    default=20,
    show_default=True,
    help="At most so many.",
)
@click.option("--before", type=int, help="Only those with a smaller number: the next page.")
def list_(state: ledger.State | None, limit: int, before: int | None) -> None:
    """List deliveries, newest first."""
    with database() as connection:
        window = Window(before=before, size=limit)
        page = list_deliveries(connection, window, state=state, private=True)
    table = Table("number", "received", "event", "repository", "state", "tries", "why")
    for row in page.rows:
        table.add_row(
            str(row.id),
            f"{row.received_at:%Y-%m-%d %H:%M:%S}",
            row.name,
            row.repository or "",
            row.state,
            str(row.attempts),
            row.reason or "",
        )
    console().print(table)


@deliveries.command()
@click.argument("delivery")
@click.option("--payload", is_flag=True, help="Print the body that GitHub sent, and nothing else.")
def show(delivery: str, payload: bool) -> None:
    """Show one DELIVERY: its number here, or GitHub's X-GitHub-Delivery."""
    with database() as connection:
        guid = _guid(connection, delivery)
        found = get_delivery(connection, guid, private=True)
        if found is None:
            raise _not_found(delivery)
        if payload:
            click.echo(ledger.payload_of(connection, guid))
            return
    for label, value in (
        ("number", found.id),
        ("GUID", found.guid),
        ("event", found.name),
        ("repository", found.repository),
        ("state", found.state),
        ("why", found.reason),
        ("tries", found.attempts),
        ("received", f"{found.received_at:%Y-%m-%d %H:%M:%S %Z}, {found.receptions} times"),
        ("due", f"{found.due_at:%Y-%m-%d %H:%M:%S %Z}" if found.waiting else None),
        ("finished", found.finished_at and f"{found.finished_at:%Y-%m-%d %H:%M:%S %Z}"),
        ("runs", ", ".join(str(run) for run in found.run_ids)),
        ("size", f"{found.size} bytes"),
    ):
        if value not in (None, ""):
            click.echo(f"{label:>10}  {value}")


@deliveries.command()
@click.argument("delivery", nargs=-1)
@click.option("--dead", is_flag=True, help="All dead ones.")
def replay(delivery: tuple[str, ...], dead: bool) -> None:
    """Have each DELIVERY (its number here, or its GUID) processed again."""
    if dead == bool(delivery):
        raise click.UsageError("Name the deliveries to replay, or say --dead for all dead ones.")
    with database() as connection:
        if dead:
            guids = ledger.replay_dead(connection)
        else:
            guids = [_guid(connection, key) for key in delivery]
            for key, guid in zip(delivery, guids, strict=True):
                if not ledger.replay(connection, guid):
                    raise _not_found(key)
    for guid in guids:
        click.echo(f"{guid} will be processed again.")
    if not guids:
        click.echo("No delivery is dead.")
        return
    try:
        queues.ring()
    except RedisError:
        click.echo("Redis does not answer; the next sweep picks them up.", err=True)


def _guid(connection: Connection, key: str) -> UUID:
    if key.isdecimal() and len(key) <= 18:
        guid = ledger.guid_of(connection, int(key))
        if guid is None:
            raise _not_found(key)
        return guid
    try:
        return UUID(key)
    except ValueError:
        raise click.UsageError(f"{key} is neither a delivery's number nor a GUID.") from None


def _not_found(key: str) -> click.ClickException:
    return click.ClickException(
        f"There is no delivery {key}. `flask --app webhook deliveries list` shows what there is."
    )
