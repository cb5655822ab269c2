"""Who is calling: an anonymous reader, a user, the App by its JWT, or an installation."""

from collections.abc import Mapping
from dataclasses import dataclass

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from werkzeug.datastructures import Authorization

from sandbox.github import roles
from sandbox.github.errors import GitHubError, bad_credentials
from sandbox.github.world import AccessToken, App, Installation, Repository, User, World

JWT_SECONDS = 600
_LEVELS = {"none": 0, "read": 1, "write": 2, "admin": 3}


@dataclass(frozen=True)
class Caller:
    """The authenticated caller. At most one of `user`, `app` and `installation` is set."""

    world: World
    user: User | None = None
    app: App | None = None
    installation: Installation | None = None
    token: AccessToken | None = None

    @property
    def anonymous(self) -> bool:
        """Nobody authenticated."""
        return self.user is None and self.installation is None and self.app is None

    @property
    def account(self) -> User:
        """The account that events name as their sender."""
        if self.user:
            return self.user
        acting = self.installation.app if self.installation else self.app
        return (acting or self.world.app).bot

    @property
    def acting_app(self) -> App | None:
        """The App that acts as itself; None for a user."""
        return self.installation.app if self.installation else None

    @property
    def budget(self) -> str:
        """The key under which GitHub counts this caller's requests."""
        if self.installation:
            return f"installation ID {self.installation.id}"
        if self.user:
            return f"user ID {self.user.id}"
        return f"app ID {self.app.id}" if self.app else "127.0.0.1"

    def reaches(self, repository: Repository) -> bool:
        """Whether the repository is among those that the caller was given."""
        if self.user:
            return roles.given(repository, self.user) != "none"
        if self.installation is None or self.token is None:
            return False
        chosen = self.token.repository_ids
        return repository in self.world.repositories_of(self.installation) and (
            chosen is None or repository.id in chosen
        )

    def role(self, repository: Repository) -> str:
        """A user's role in a repository; `none` for everybody else."""
        return roles.given(repository, self.user) if self.user else "none"

    def may(self, repository: Repository, permission: str, level: str) -> bool:
        """Whether the caller has `permission` at `level` in a repository.

        Of a user the role counts: its names for reading, writing and deciding are the same.
        """
        if self.user:
            return roles.includes(self.role(repository), level)
        return self.reaches(repository) and self.holds(permission, level)

    def holds(self, permission: str, level: str) -> bool:
        """Whether the App was granted `permission` at `level` or above, wherever that is."""
        if self.token is None:
            return False
        if permission == "metadata":
            return True
        # A permission that the installation lost is lost to the tokens that it has, too.
        held = [self.token.permissions, self.installation.permissions if self.installation else {}]
        return all(_LEVELS[one.get(permission, "none")] >= _LEVELS[level] for one in held)


def identify(world: World, authorization: Authorization | None) -> Caller:
    """The caller behind an `Authorization` header.

    Raises:
        GitHubError: 401 for a token that is not valid (any more), 403 for a suspended
            installation.
    """
    if authorization is None:
        return Caller(world)
    # A password is how git and curl send a token; the name before it does not matter.
    secret = authorization.password if authorization.type == "basic" else authorization.token
    if not secret:
        raise bad_credentials()
    if secret.count(".") == 2:
        return Caller(world, app=check_jwt(world, secret))
    return _by_token(world, secret)


def _by_token(world: World, secret: str) -> Caller:
    with world.lock:
        user = world.personal_tokens.get(secret)
        token = world.access_tokens.get(secret)
    if user:
        return Caller(world, user=user)
    if token is None or world.expired(token):
        raise bad_credentials()
    installation = world.installations.get(token.installation_id)
    if installation is None:
        raise bad_credentials()
    if installation.suspended_at:
        raise GitHubError(403, "This installation has been suspended")
    return Caller(world, installation=installation, token=token)


def check_jwt(world: World, text: str) -> App:
    """Check an App's JSON web token as GitHub does; return the App.

    Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App".

    Raises:
        GitHubError: 401 with GitHub's reason, 404 for an unknown issuer.
    """
    now = world.clock.now()
    app, claims = _claims(world, text)
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, int | float) or issued > now:
        raise GitHubError(
            401,
            "'Issued at' claim ('iat') must be an Integer representing the time that the "
            "assertion was issued",
        )
    if not isinstance(expires, int | float) or expires <= now:
        raise GitHubError(
            401,
            "'Expiration time' claim ('exp') must be a numeric value representing the future "
            "time at which the assertion expires",
        )
    if expires > now + JWT_SECONDS:
        raise GitHubError(401, "'Expiration time' claim ('exp') is too far in the future")
    return app


def _claims(world: World, text: str) -> tuple[App, Mapping[str, object]]:
    undecodable = GitHubError(401, "A JSON web token could not be decoded")
    try:
        if jwt.get_unverified_header(text).get("alg") != "RS256":
            raise undecodable
        unverified = jwt.decode(text, options={"verify_signature": False})
        # GitHub looks the App up first, and only then has a key to check the signature with.
        issuer = str(unverified.get("iss"))
        app = next((a for a in world.apps.values() if issuer in (str(a.id), a.client_id)), None)
        if app is None:
            raise GitHubError(404, "Integration not found")
        key = load_pem_private_key(app.private_key.encode(), password=None)
        assert isinstance(key, RSAPrivateKey)
        # The times are checked by our own clock, with GitHub's words.
        unchecked = jwt.types.Options(
            verify_exp=False, verify_iat=False, verify_nbf=False, verify_iss=False, verify_aud=False
        )
        claims: dict[str, object] = jwt.decode(
            text, key.public_key(), algorithms=["RS256"], options=unchecked
        )
    except jwt.InvalidTokenError:
        raise undecodable from None
    return app, claims
