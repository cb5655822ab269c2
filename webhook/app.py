"""Puts the Flask application together. What it answers is in the blueprints."""

from flask import Flask

from config.logs import configure_logs, configure_sentry
from config.settings import settings
from pipeline.deliveries import record
from webhook.commands import deliveries
from webhook.doorbell import Doorbell
from webhook.group_commit import GroupCommit
from webhook.operator_commands import operator_link
from webhook.pages import blueprint as pages
from webhook.receiver import Receiver
from webhook.recover_command import recover
from webhook.run_commands import runs
from webhook.setup_commands import seal_again, setup_link


def build() -> Flask:
    """The application with all its routes.

    Raises:
        SettingsError: a setting is wrong or missing. Without a webhook secret nothing could tell
            GitHub's deliveries from anybody else's, so there is no start without one, or without
            the keys with which `/setup` can store one.
    """
    settings().require("database_url", "redis_url", app=["github_webhook_secrets"])
    configure_logs()
    configure_sentry()
    app = Flask(__name__, static_folder=None)
    app.register_blueprint(pages)
    app.cli.add_command(deliveries)
    for command in (runs, recover, setup_link, seal_again, operator_link):
        app.cli.add_command(command)
    app.wsgi_app = Receiver(  # type: ignore[method-assign]
        app.wsgi_app, store=GroupCommit(record).store, ring=Doorbell().press
    )
    return app
