"""Sends webhooks, signed and in order, from a thread of its own, and keeps what became of each.

As at GitHub a delivery is tried once, for ten seconds, and never again unless somebody asks.
For tests the stream can be paused, reversed, doubled and cut.
"""

import hashlib
import hmac
import json
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests

from sandbox.github.clock import Clock
from sandbox.github.world import Json

TIMEOUT = 10
KEPT_SECONDS = 3 * 24 * 3600
_BODY_KEPT = 100_000
_log = logging.getLogger(__name__)


@dataclass
class Delivery:
    """One attempt to deliver an event. A redelivery is another one with the same `guid`."""

    id: int
    guid: str
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    payload: Json
    redelivery: bool
    delivered_at: float = 0.0
    duration: float = 0.0
    status: str = ""
    status_code: int = 0
    request_headers: dict[str, str] = field(default_factory=dict)
    response_headers: dict[str, str] = field(default_factory=dict)
    response_body: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether the receiver answered with a 2xx."""
        return 200 <= self.status_code < 300


@dataclass
class Mischief:
    """What happens to webhooks on their way. Counts say how many deliveries are left to it."""

    paused: bool = False
    drop: int = 0
    duplicate: int = 0
    reverse: int = 0


class Hooks:
    """An App's webhook.

    Args:
        clock: the stand-in's time.
        url: the receiver; empty for an App without a webhook.
        secret: signs each body.
        app_id: the App, named in the headers.
        hook_id: the hook, named in the headers.
        ids: numbers for the deliveries.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        url: str,
        secret: str,
        app_id: int,
        hook_id: int,
        ids: Iterator[int],
    ) -> None:
        self.url = url
        self.mischief = Mischief()
        self._clock = clock
        self._secret = secret.encode()
        self._app_id = app_id
        self._hook_id = hook_id
        self._changed = threading.Condition()
        self._waiting: deque[Delivery] = deque()
        self._held: list[Delivery] = []
        self._kept: list[Delivery] = []
        self._busy = False
        self._closed = False
        self._ids = ids
        self._session = requests.Session()
        # Otherwise a proxy of this machine would be asked for a receiver on the same machine.
        self._session.trust_env = False
        self._thread = threading.Thread(target=self._work, name="webhooks", daemon=True)

    @property
    def signed(self) -> bool:
        """Whether the webhooks are signed."""
        return bool(self._secret)

    def configure(self, *, url: str | None = None, secret: str | None = None) -> None:
        """Send elsewhere from now on, or sign with another secret; None leaves as it is."""
        self.url = self.url if url is None else url
        self._secret = self._secret if secret is None else secret.encode()

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def close(self) -> None:
        """Stop sending. What still waits is lost."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(TIMEOUT + 1)

    def emit(
        self,
        event: str,
        payload: Json,
        *,
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> None:
        """Send an event as soon as those before it are sent."""
        delivery = Delivery(
            id=next(self._ids),
            guid=str(uuid.uuid1()),
            event=event,
            action=payload.get("action"),
            installation_id=installation_id,
            repository_id=repository_id,
            payload=payload,
            redelivery=False,
        )
        self._queue(delivery)

    def redeliver(self, delivery: Delivery) -> None:
        """Send a delivery once more: same GUID, same payload, a new id."""
        again = Delivery(
            id=next(self._ids),
            guid=delivery.guid,
            event=delivery.event,
            action=delivery.action,
            installation_id=delivery.installation_id,
            repository_id=delivery.repository_id,
            payload=delivery.payload,
            redelivery=True,
        )
        self._queue(again)

    def deliveries(self) -> list[Delivery]:
        """What was tried in the last three days, newest first."""
        oldest = self._clock.now() - KEPT_SECONDS
        with self._changed:
            return [one for one in reversed(self._kept) if one.delivered_at >= oldest]

    def set_mischief(self, **changes: int | bool) -> None:
        """Pause, drop, duplicate or reverse; see `Mischief`. `reverse=n` holds n, then sends the
        last first.
        """
        with self._changed:
            for name, value in changes.items():
                setattr(self.mischief, name, value)
            if not self.mischief.reverse:
                self._release_held()
            self._changed.notify_all()

    def idle(self) -> bool:
        """Whether every event was sent (or is being held back on purpose)."""
        with self._changed:
            return not self._busy and (not self._waiting or self.mischief.paused)

    def _queue(self, delivery: Delivery) -> None:
        if not self.url:
            return
        with self._changed:
            if self.mischief.reverse:
                self._held.append(delivery)
                self.mischief.reverse -= 1
                if not self.mischief.reverse:
                    self._release_held()
            else:
                self._waiting.append(delivery)
            self._changed.notify_all()

    def _release_held(self) -> None:
        self._waiting.extend(reversed(self._held))
        self._held.clear()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.wait_for(
                    lambda: self._closed or (self._waiting and not self.mischief.paused)
                )
                if self._closed:
                    return
                delivery = self._waiting.popleft()
                self._busy = True
                dropped = self.mischief.drop > 0
                doubled = not dropped and self.mischief.duplicate > 0
                self.mischief.drop -= dropped
                self.mischief.duplicate -= doubled
            self._deliver(delivery, dropped=dropped)
            if doubled:
                self._post(delivery, json.dumps(delivery.payload).encode())

    def _deliver(self, delivery: Delivery, *, dropped: bool) -> None:
        started = time.monotonic()
        delivery.delivered_at = self._clock.now()
        if dropped:
            delivery.status, delivery.status_code = "failed to connect to host", 502
        else:
            self._post(delivery, json.dumps(delivery.payload).encode())
        delivery.duration = round(time.monotonic() - started, 2)
        with self._changed:
            self._kept.append(delivery)

    def _post(self, delivery: Delivery, body: bytes) -> None:
        delivery.request_headers = headers = self._headers(delivery, body)
        try:
            answer = self._session.post(
                self.url, data=body, headers=headers, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.Timeout:
            delivery.status, delivery.status_code = "timed out", 504
        except requests.RequestException as error:
            _log.info("webhook %s was not delivered: %s", delivery.event, type(error).__name__)
            delivery.status, delivery.status_code = "failed to connect to host", 502
        else:
            delivery.status_code = answer.status_code
            delivery.status = (
                "OK" if delivery.succeeded else f"Invalid HTTP Response: {answer.status_code}"
            )
            delivery.response_headers = dict(answer.headers)
            delivery.response_body = answer.text[:_BODY_KEPT]

    def _headers(self, delivery: Delivery, body: bytes) -> dict[str, str]:
        signed = {
            "X-Hub-Signature": "sha1=" + hmac.new(self._secret, body, hashlib.sha1).hexdigest(),
            "X-Hub-Signature-256": "sha256=" + hmac.digest(self._secret, body, "sha256").hex(),
        }
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(self._hook_id),
            "X-GitHub-Hook-Installation-Target-ID": str(self._app_id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            **(signed if self._secret else {}),
        }
