"""Events of the App itself: installed, given repositories, suspended, granted more, signed off."""

from pipeline import payloads
from pipeline.payloads import Payload
from pipeline.triggers import parts
from pipeline.triggers.kinds import (
    AccountRenamed,
    Ignored,
    InstallationChanged,
    Installed,
    PermissionsGranted,
    RepositoriesRemoved,
    Trigger,
)
from pipeline.triggers.table import on


@on("ping")
def ping(_payload: Payload) -> Trigger:
    """Sent once when a webhook is created, and when someone presses "Redeliver" on that.

    Needs no work; that it was received is the whole point.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping
    """
    return Ignored("GitHub's ping: the webhook reaches Sigil and the secret is right.")


@on("installation", "created")
def installation_created(payload: Payload) -> Trigger:
    """Sent when someone installs the App, with the repositories it was given.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return Installed(
        installation=parts.installation(payload),
        account=parts.account(payload, "installation.account"),
        repositories=parts.repositories(payload, "repositories"),
        permissions=parts.permissions(payload),
    )


@on("installation", "deleted")
def installation_deleted(payload: Payload) -> Trigger:
    """Sent when the App is uninstalled.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(parts.installation(payload), "deleted")


@on("installation", "suspend")
def installation_suspended(payload: Payload) -> Trigger:
    """Sent when an owner or GitHub suspends the App; the action's literal name is `suspend`.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(parts.installation(payload), "suspended")


@on("installation", "unsuspend")
def installation_resumed(payload: Payload) -> Trigger:
    """Sent when a suspension ends; the action's literal name is `unsuspend`.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return InstallationChanged(parts.installation(payload), "active")


@on("installation_repositories", "added")
def repositories_added(payload: Payload) -> Trigger:
    """Sent when an existing installation is given more repositories.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_repositories
    """
    return Installed(
        installation=parts.installation(payload),
        account=parts.account(payload, "installation.account"),
        repositories=parts.repositories(payload, "repositories_added"),
        permissions=parts.permissions(payload),
    )


@on("installation_repositories", "removed")
def repositories_removed(payload: Payload) -> Trigger:
    """Sent when repositories are taken away from an installation that goes on.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_repositories
    """
    return RepositoriesRemoved(
        installation=parts.installation(payload),
        repository_ids=tuple(
            payloads.identifier(payload, f"repositories_removed.{index}.id")
            for index in range(len(payloads.items(payload, "repositories_removed")))
        ),
    )


@on("installation", "new_permissions_accepted")
def permissions_accepted(payload: Payload) -> Trigger:
    """Sent when an owner accepts permissions that the App asks for since it was installed.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
    """
    return PermissionsGranted(parts.installation(payload), parts.permissions(payload))


@on("installation_target", "renamed")
def account_renamed(payload: Payload) -> Trigger:
    """Sent when the account that the App is installed on gets another login.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation_target
    """
    return AccountRenamed(parts.installation(payload), parts.account(payload, "account"))


@on("github_app_authorization", "revoked")
def authorization_revoked(_payload: Payload) -> Trigger:
    """Sent when a person takes back what they let the App do in their name. Always sent.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads#github_app_authorization
    """
    return Ignored("Sigil keeps no session and no token of that person.")
