"""Floor 5: everything that answers HTTP on the control plane."""

import sys

from flask import Flask

from config.settings import SettingsError
from webhook.app import build

__all__ = ["create_app"]


def create_app() -> Flask:
    """The application, for gunicorn and the `flask` command.

    Ends the process with one line per wrong setting instead of a traceback.
    """
    try:
        return build()
    except SettingsError as error:
        sys.exit(f"Sigil does not start:\n{error}")
