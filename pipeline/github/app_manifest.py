"""The manifest from which GitHub creates the App, and what is checked of it beforehand. Pure.

https://docs.github.com/en/apps/sharing-github-apps/registering-a-github-app-from-a-manifest
"""

import ipaddress
import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pipeline.github import permissions

WEBHOOK_PATH = "/webhook/github"
CALLBACK_PATH = "/setup/callback"
APP_PATH = "/setup/app"

NAME_LENGTH = 34
"""GitHub's limit for the name of an App."""

# What GitHub takes as the name of an account: letters, digits and single hyphens inside.
_LOGIN = re.compile(r"[A-Za-z0-9](?:-?[A-Za-z0-9]){0,38}")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")
_GITHUB_DOMAINS = ("github.com", "ghe.com")


@dataclass(frozen=True)
class Wish:
    """The App that a person asks for.

    Attributes:
        organization: Who will own it; None for the person's own account.
        public_url: Where GitHub reaches this Sigil.
        anybody: Other accounts may install it too.
    """

    name: str
    organization: str | None
    public_url: str
    anybody: bool


def problems(wish: Wish, github_url: str) -> dict[str, str]:
    """What is wrong with a wish: field → one or two sentences.

    Args:
        github_url: The root of GitHub's pages.
    """
    found: dict[str, str] = {}
    if not wish.name:
        found["name"] = "The App needs a name. It is shown beside its checks and comments."
    elif len(wish.name) > NAME_LENGTH:
        found["name"] = f"GitHub takes at most {NAME_LENGTH} characters."
    if wish.organization is not None and not _LOGIN.fullmatch(wish.organization):
        found["organization"] = (
            "Write the organization's name: letters, digits and single hyphens, as in the "
            "address of its page at GitHub."
        )
    trouble = url_trouble(wish.public_url, github_url)
    if trouble:
        found["public_url"] = trouble
    return found


def url_trouble(url: str, github_url: str) -> str | None:
    """Why GitHub could not deliver to `url`; None when it may."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host):
        return "Write the whole address, such as https://sigil.example.com."
    if parts.path.rstrip("/") or parts.query or parts.fragment or parts.username is not None:
        return "Write only the scheme and the host, such as https://sigil.example.com."
    if _is_local(urlsplit(github_url).hostname or ""):
        return None  # A stand-in on this machine reaches whatever this machine reaches.
    if _is_local(host):
        return (
            "GitHub cannot reach an address of this machine. Open a tunnel, and write its public "
            "address here; see “On a machine that GitHub cannot reach”."
        )
    if parts.scheme != "https":
        return "It has to be https: the deliveries tell of private repositories."
    if _is_githubs(github_url) and _is_private(host):
        return "GitHub cannot reach a private network. Use a public address, or a tunnel's."
    return None


def _is_githubs(github_url: str) -> bool:
    host = urlsplit(github_url).hostname or ""
    return any(host == domain or host.endswith(f".{domain}") for domain in _GITHUB_DOMAINS)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _is_private(host: str) -> bool:
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host or host.endswith((".local", ".internal", ".lan", ".home.arpa"))


def manifest(wish: Wish, *, return_to: str) -> dict[str, Any]:
    """What GitHub is sent.

    Args:
        return_to: The root of this Sigil as the person's browser reaches it, which may not be
            where GitHub reaches it.
    """
    return {
        "name": wish.name,
        "url": wish.public_url,
        "description": "Builds, proves and runs the MCP servers of your repositories.",
        "public": wish.anybody,
        "hook_attributes": {"url": wish.public_url + WEBHOOK_PATH, "active": True},
        "redirect_url": return_to + CALLBACK_PATH,
        "setup_url": wish.public_url + APP_PATH,
        "default_permissions": permissions.wanted(),
        "default_events": list(permissions.subscriptions()),
    }


def creation_url(wish: Wish, github_url: str, state: str) -> str:
    """Where the browser posts the manifest."""
    owner = f"/organizations/{quote(wish.organization)}" if wish.organization else ""
    return f"{github_url}{owner}/settings/apps/new?{urlencode({'state': state})}"
