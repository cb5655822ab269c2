"""Makes Apps from manifests, and gives out their credentials once."""

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox.github.app_hooks import AppHooks
from sandbox.github.app_manifest import InvalidManifest, Manifest, name_problems, slug
from sandbox.github.world import App, Json, User, World

CODE_SECONDS = 3600


@dataclass(frozen=True)
class Credentials:
    """What only the answer to the conversion tells of an App."""

    app: App
    client_secret: str
    webhook_secret: str | None
    made_at: float


def new_private_key() -> str:
    """An RSA key, PEM in the form in which GitHub gives it out."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return pem.decode()


class AppMaker:
    """Makes Apps, and remembers the codes for their credentials.

    Args:
        world: where the Apps are kept.
        hooks: where each gets its webhook.
    """

    def __init__(self, world: World, hooks: AppHooks) -> None:
        self._world = world
        self._hooks = hooks
        self._codes: dict[str, Credentials] = {}

    def check_name(self, name: str, owner: User) -> None:
        """Refuse a name that no App can have, or not this owner's.

        Raises:
            InvalidManifest: with GitHub's words.
        """
        problems = name_problems(name)
        account = self._world.user(slug(name))
        if self._world.app_named(slug(name)) or account not in (None, owner):
            problems.append("Name has already been taken")
        if problems:
            raise InvalidManifest(*problems)

    def make(self, manifest: Manifest, name: str, owner: User) -> str:
        """Make the App; return the code for its credentials.

        Raises:
            InvalidManifest: the name cannot be had.
        """
        self.check_name(name, owner)
        world, short = self._world, slug(name)
        app = App(
            id=world.new_id("app"),
            slug=short,
            name=name,
            client_id="Iv23li" + secrets.token_hex(7),
            owner=owner,
            bot=world.add_user(f"{short}[bot]", name=f"{short}[bot]", kind="Bot"),
            private_key=new_private_key(),
            hook_id=world.new_id("hook"),
            permissions=manifest.permissions,
            events=manifest.events,
            created_at=world.clock.stamp(),
            external_url=manifest.url,
            description=manifest.description,
            setup_url=manifest.setup_url,
            setup_on_update=manifest.setup_on_update,
            public=manifest.public,
        )
        webhook_secret = secrets.token_hex(20) if manifest.hook_url else None
        hooks = self._hooks.add(app, url=manifest.hook_url, secret=webhook_secret or "")
        code, client_secret = secrets.token_hex(20), secrets.token_hex(20)
        with world.lock:
            world.apps[app.id] = app
            self._codes[code] = Credentials(app, client_secret, webhook_secret, world.clock.now())
        if manifest.hook_url:
            hooks.emit("ping", _ping(world.url, app, manifest.hook_url))
        return code

    def convert(self, code: str) -> Credentials | None:
        """The credentials behind a code: once, and within an hour."""
        with self._world.lock:
            found = self._codes.pop(code, None)
        if found is None or self._world.clock.now() > found.made_at + CODE_SECONDS:
            return None
        return found


def _ping(root: str, app: App, url: str) -> Json:
    """What GitHub sends "when you register a new GitHub App": before anybody has its secret.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#ping"""
    hook = {
        "type": "App",
        "id": app.hook_id,
        "name": "web",
        "active": True,
        "events": app.events,
        "config": {
            "content_type": "json",
            "insecure_ssl": "0",
            "secret": "********",
            "url": url,
        },
        "updated_at": app.created_at,
        "created_at": app.created_at,
        "app_id": app.id,
        "deliveries_url": f"{root}/app/hook/deliveries",
    }
    return {"zen": "Speak like a human.", "hook_id": app.hook_id, "hook": hook}
