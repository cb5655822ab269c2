"""How gunicorn serves the control plane.

`gunicorn --config webhook/gunicorn.py "webhook:create_app()"` starts it.
https://gunicorn.org/reference/settings/
"""

import os
import sys

from config.settings import SettingsError, settings

try:
    settings().require("database_url", "redis_url", app=["github_webhook_secrets"])
except SettingsError as error:
    # Said here, once, instead of in each worker process that would be started again and again.
    sys.exit(f"Sigil does not start:\n{error}")

worker_class = "gthread"
workers = settings().web_processes
threads = settings().web_threads
bind = settings().web_bind or f"0.0.0.0:{os.environ.get('PORT', '8080')}"
keepalive = 75
# On SIGTERM a worker stops accepting and finishes the requests that it has begun.
graceful_timeout = 25
control_socket_disable = True
errorlog = "-"
accesslog = None
