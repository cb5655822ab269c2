"""Tells whoever runs Sigil of a bug in it, by a reference that others may be shown."""

import uuid

import sentry_sdk
import structlog

log = structlog.get_logger(__name__)


def report_bug(error: Exception) -> str:
    """Log an exception that nobody expected, and send it to Sentry; return its reference."""
    reference = uuid.uuid4().hex[:12]
    with sentry_sdk.new_scope() as scope:
        scope.set_tag("reference", reference)
        sentry_sdk.capture_exception(error)
    log.error("internal error", reference=reference, exc_info=error)
    return reference
