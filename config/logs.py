"""Structured logs, and bug reports to Sentry, with secrets taken out of both.

Bind `delivery` and `run` ids once with `structlog.contextvars.bind_contextvars`; every line that
follows in the same job or request carries them.
"""

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import sentry_sdk
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from config.settings import Settings, settings

REDACTED = "[redacted]"

# Shapes of secrets that pass through Sigil whatever variable they came from.
# GitHub's prefixes: https://github.blog/2021-04-05-behind-githubs-new-authentication-token-formats/
_SECRET = re.compile(
    r"(?:gh[pousr]_[A-Za-z0-9_.-]{10,}|github_pat_\w{10,}"
    r"|eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)"
    r"|sha256=[0-9a-f]{64}"
    # GitHub's temporary codes, from the address to which it leads a browser back.
    r"|(?<=\bcode=)[A-Za-z0-9_-]{20,})",
    re.DOTALL,
)
_SECRET_KEY = re.compile(
    r"secret|token|password|authorization|private.?key|signature|dsn|cookie", re.I
)


_hidden: set[str] = set()


def hide(*secrets: str) -> None:
    """Keep these out of all that this process logs or reports from now on."""
    _hidden.update(secret for secret in secrets if len(secret) >= 8)


def redact(text: str) -> str:
    """`text` with everything that looks like a secret, or is one of our own settings, removed."""
    for value in _own_secrets():
        text = text.replace(value, REDACTED)
    return _SECRET.sub(REDACTED, text)


def _own_secrets() -> list[str]:
    current: Settings = settings()
    secrets = [secret.get_secret_value() for secret in current.github_webhook_secrets]
    secrets.append(current.github_private_key.get_secret_value())
    secrets.append(current.setup_token.get_secret_value())
    secrets += [key.partition(":")[2].strip() for key in current.keys.get_secret_value().split(",")]
    for url in (current.database_url, current.redis_url):
        secrets.append(urlsplit(url.get_secret_value()).password or "")
    return [*_hidden, *(value for value in secrets if len(value) >= 8)]


def redact_all(value: Any) -> Any:
    """`value` with the strings in it redacted, through mappings and lists; keys that name a secret
    lose their whole value."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {
            key: REDACTED if _SECRET_KEY.search(str(key)) and item else redact_all(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact_all(item) for item in value]
    return value


def _redact_event(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    redacted: EventDict = redact_all(event)
    return redacted


def configure_logs() -> None:
    """Send structlog's and the standard library's log lines to stderr, one JSON object a line."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    renderer: Processor = (
        structlog.dev.ConsoleRenderer()
        if settings().log_format == "console"
        else structlog.processors.JSONRenderer()
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings().log_level)
    # These log every request with its URL at INFO: no news, and a URL may hold a secret.
    for library in ("httpx", "httpx2"):
        logging.getLogger(library).setLevel(logging.WARNING)


def configure_sentry() -> None:
    """Report unhandled errors to Sentry when `SENTRY_DSN` is set."""
    dsn = settings().sentry_dsn.get_secret_value()
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=settings().environment,
        include_local_variables=False,
        max_request_body_size="never",
        before_send=lambda event, _hint: redact_all(event),
        before_breadcrumb=lambda crumb, _hint: redact_all(crumb),
    )
