"""The environment of programs that Sigil did not write: builds and servers on this machine.

An allow-list, so that no secret of Sigil's own reaches them, whatever a later version adds.
"""

import os
from collections.abc import Mapping

# What a program needs to find other programs, speak the machine's language, and reach a package
# registry through this network. Deliberately no DATABASE_URL, no GITHUB_*, no SENTRY_DSN.
_PASSED = (
    "PATH",
    "LANG",
    "LC_ALL",
    "LC_CTYPE",
    "TZ",
    "TMPDIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)


def clean_environment(**extra: str) -> dict[str, str]:
    """The few harmless variables of this process, and `extra` over them."""
    return {**_harmless(os.environ), **extra}


def _harmless(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[name] for name in _PASSED if name in environ}
