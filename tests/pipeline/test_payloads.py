"""Whether a webhook's body names a private repository, so that the pages do not show it to all."""

import json
from typing import Any

import pytest

from pipeline.payloads import names_private
from sandbox.evidence import EXAMPLES, fetch

OPEN = {"full_name": "octo/weather", "private": False}
SECRET = {"full_name": "octo/secret", "private": True}
SILENT = {"full_name": "octo/silent"}


@pytest.mark.parametrize(
    ("payload", "private"),
    [
        ({}, False),
        ({"repository": None}, False),
        ({"repository": OPEN}, False),
        ({"repository": SECRET}, True),
        ({"repository": SILENT}, True),
        ({"repository": "octo/odd"}, True),
        ({"repositories": []}, False),
        ({"repositories": [OPEN, OPEN]}, False),
        ({"repositories": [OPEN, SECRET]}, True),
        ({"repositories_added": [OPEN], "repositories_removed": [SECRET]}, True),
        ({"repositories_added": [SECRET], "repositories_removed": []}, True),
        ({"repositories_removed": [None]}, True),
        ({"repositories": {"0": SECRET}}, False),
        ({"repository": OPEN, "repositories": [SILENT]}, True),
    ],
    ids=str,
)
def test_a_body_is_private_unless_each_repository_says_that_it_is_not(
    payload: dict[str, Any], private: bool
) -> None:
    assert names_private(payload) is private


def test_githubs_recorded_bodies_say_of_each_repository_whether_it_is_private() -> None:
    """So that counting silence as private hides nothing by mistake."""
    silent = []
    for event in json.loads(fetch(EXAMPLES).read_text()):
        for example in event["examples"]:
            named = [
                *([example["repository"]] if example.get("repository") else []),
                *example.get("repositories", []),
                *example.get("repositories_added", []),
                *example.get("repositories_removed", []),
            ]
            assert names_private(example) is any(one.get("private") is not False for one in named)
            silent += [event["name"] for one in named if "private" not in one]
    assert silent == []
