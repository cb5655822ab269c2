"""`flask --app webhook operator-link`: begins the operator's session in a browser, or ends all."""

import click

from config.settings import SettingsError, settings
from registry import operator_access
from registry.operator_access import SESSION_HOURS
from webhook.commands import database, echo_link


@click.command("operator-link")
@click.option("--revoke", is_flag=True, help="End all sessions, and make unused links worthless.")
def operator_link(revoke: bool) -> None:
    """Print a link that opens an operator's session of 12 hours, once, within an hour.

    In the session the pages have buttons (cancel, retry, roll back), and show private repositories.
    """
    if revoke:
        with database() as connection:
            ended = operator_access.end_all(connection)
        click.echo(
            f"{ended} session{'' if ended == 1 else 's'} ended; links not used are worthless."
        )
        return
    try:
        settings().key_ring()
    except SettingsError:
        raise click.ClickException(
            "SIGIL_KEYS is not set: an operator's session is signed with it. "
            "`python -m config.sealing` prints a key; set it here and for the web process."
        ) from None
    with database() as connection:
        key = operator_access.new_key(connection)
    echo_link("/operator", key, f"an operator's session of {SESSION_HOURS} hours")
