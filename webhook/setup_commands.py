"""`flask --app webhook setup-link` and `seal-again`: the operator's side of the GitHub App."""

import click

from config.settings import SettingsError, settings
from registry import github_app, setup_access
from webhook.commands import database, echo_link


@click.command("setup-link")
@click.option("--replace", is_flag=True, help="Also when there is an App: another takes its place.")
def setup_link(replace: bool) -> None:
    """Print a link that opens /setup once, within an hour."""
    with database() as connection:
        stance = setup_access.stance(connection)
        if stance == "variables":
            raise click.ClickException(
                "The GitHub App comes from the variables GITHUB_APP_ID, GITHUB_PRIVATE_KEY and "
                "GITHUB_WEBHOOK_SECRETS. Take them away to have one created at /setup."
            )
        if stance == "stored" and not replace:
            raise click.ClickException(
                "There is a GitHub App already. --replace prints a link that replaces it."
            )
        key = setup_access.new_key(connection, replaces=replace)
    echo_link("/setup", key, "the setup")


@click.command("seal-again")
def seal_again() -> None:
    """Seal what is stored with the first key of SIGIL_KEYS, so that older keys can go."""
    try:
        with database() as connection:
            changed = github_app.seal_again(connection, settings().key_ring())
    except SettingsError as error:
        raise click.ClickException(str(error)) from None
    click.echo("Sealed with the first key." if changed else "Nothing is sealed with an older key.")
