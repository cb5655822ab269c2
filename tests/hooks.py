"""Deliveries as GitHub sends them, for tests: a body, its signature, its headers."""

import json
from typing import Any
from uuid import uuid4

from tests.conftest import WEBHOOK_SECRET
from webhook.signature import sign

SHA = "0123456789abcdef0123456789abcdef01234567"
BEFORE = "89abcdef0123456789abcdef0123456789abcdef"


def push(repository: str = "octo/weather", **changes: Any) -> dict[str, Any]:
    """The fields of a push that anything here reads. `changes` replace top-level fields."""
    owner, _, name = repository.partition("/")
    payload = {
        "ref": "refs/heads/main",
        "before": BEFORE,
        "after": SHA,
        "created": False,
        "deleted": False,
        "forced": False,
        "head_commit": {"id": SHA, "message": "Forecast for tomorrow"},
        "repository": {
            "id": 1296269,
            "name": name,
            "full_name": repository,
            "private": False,
            "default_branch": "main",
            "owner": {"id": 583231, "login": owner},
        },
        "installation": {"id": 42},
    }
    return payload | changes


def encode(payload: object) -> bytes:
    """A body."""
    return json.dumps(payload).encode()


def headers(
    body: bytes, *, event: str = "push", guid: str | None = None, secret: str = WEBHOOK_SECRET
) -> dict[str, str]:
    """The headers that GitHub would send with a body."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "GitHub-Hookshot/044aadd",
        "X-GitHub-Delivery": guid or str(uuid4()),
        "X-GitHub-Event": event,
        "X-GitHub-Hook-ID": "292430182",
        "X-GitHub-Hook-Installation-Target-ID": "79929171",
        "X-GitHub-Hook-Installation-Target-Type": "integration",
        "X-Hub-Signature-256": sign(body, secret.encode()),
    }
