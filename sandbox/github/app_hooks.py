"""The webhooks of all Apps: each App has its own URL, secret and stream."""

import itertools

from sandbox.github.clock import Clock
from sandbox.github.webhooks import Delivery, Hooks, Mischief
from sandbox.github.world import App


class AppHooks:
    """One `Hooks` for each App. `url` and `mischief` are those of the first App."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ids = itertools.count(12_345_678_901)
        self._all: dict[int, Hooks] = {}
        self._started = False

    def add(self, app: App, *, url: str, secret: str) -> Hooks:
        """Begin to send `app` its events.

        Args:
            app: the App.
            url: the receiver; empty for an App without a webhook.
            secret: signs each body; empty for an App that did not choose one.
        """
        hooks = Hooks(
            self._clock, url=url, secret=secret, app_id=app.id, hook_id=app.hook_id, ids=self._ids
        )
        self._all[app.id] = hooks
        if self._started:
            hooks.start()
        return hooks

    def of(self, app: App) -> Hooks:
        """The webhook of one App."""
        return self._all[app.id]

    @property
    def first(self) -> Hooks:
        """The webhook of the App that is there from the beginning."""
        return next(iter(self._all.values()))

    @property
    def url(self) -> str:
        """Where the first App's webhooks go."""
        return self.first.url

    @url.setter
    def url(self, url: str) -> None:
        self.first.url = url

    @property
    def mischief(self) -> Mischief:
        """What happens to the first App's webhooks on their way."""
        return self.first.mischief

    def set_mischief(self, **changes: int | bool) -> None:
        """Pause, drop, duplicate or reverse the webhooks of every App; see `Mischief`."""
        for hooks in list(self._all.values()):
            hooks.set_mischief(**changes)

    def deliveries(self) -> list[Delivery]:
        """What was tried for any App in the last three days, newest first."""
        found = [one for hooks in list(self._all.values()) for one in hooks.deliveries()]
        return sorted(found, key=lambda one: -one.id)

    def idle(self) -> bool:
        """Whether every event was sent (or is being held back on purpose)."""
        return all(hooks.idle() for hooks in list(self._all.values()))

    def start(self) -> None:
        """Begin to send."""
        self._started = True
        for hooks in self._all.values():
            hooks.start()

    def close(self) -> None:
        """Stop sending. What still waits is lost."""
        for hooks in self._all.values():
            hooks.close()
