"""Holds what a stand-in has said against GitHub's own descriptions, wherever a test made it say
something."""

import functools
from collections.abc import Iterable

from sandbox import evidence
from sandbox.github.conformance import Difference, RestDescription, WebhookDescription


@functools.cache
def descriptions() -> tuple[RestDescription, WebhookDescription]:
    """GitHub's descriptions, fetched once.

    Raises:
        EvidenceMissing: they cannot be had here.
    """
    return (
        RestDescription(evidence.fetch(evidence.REST)),
        WebhookDescription(evidence.fetch(evidence.WEBHOOKS)),
    )


def assert_like_github(traffic: str, found: Iterable[Difference] = ()) -> None:
    """Fail when the recorded traffic of a stand-in is not as GitHub describes its API.

    Args:
        traffic: One exchange a line, as the stand-in wrote them.
        found: Differences that are known already.
    """
    try:
        rest, _ = descriptions()
    except evidence.EvidenceMissing:
        # The tests in test_stand_in_evidence.py say so, and fail where nothing may be skipped.
        return
    differences = [*found, *rest.check_all(traffic.splitlines())]
    assert not differences, "\n".join(str(one) for one in differences)
