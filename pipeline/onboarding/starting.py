"""Arguments that others pass to the server, as far as they can be taken over.

What a README or a registry shows is meant for a user's machine: paths, placeholders and keys are
left out, since a value may be a secret.
"""

import re
from collections.abc import Sequence

_PLAIN = re.compile(r"-{0,2}[a-z][a-z0-9-]{0,30}(?:=[a-z][a-z0-9-]{0,30})?\Z")
_PLACEHOLDER = re.compile(r"your|path|key|token|secret|password|user|example|api", re.IGNORECASE)


def safe_arguments(arguments: Sequence[str]) -> tuple[str, ...]:
    """The arguments when each of them is a plain word or option; otherwise none of them."""
    fit = all(_PLAIN.match(word) and not _PLACEHOLDER.search(word) for word in arguments)
    return tuple(arguments) if fit else ()
