"""What is checked of an App before GitHub is asked to create it."""

import pytest

from pipeline.github.app_manifest import Wish, creation_url, manifest, problems, url_trouble

GITHUB = "https://github.com"
GOOD = Wish("Sigil of octo", None, "https://sigil.example.com", anybody=False)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "whole address"),
        ("sigil.example.com", "whole address"),
        ("ftp://sigil.example.com", "whole address"),
        ("https://[::1", "whole address"),
        ("https://host:port", "whole address"),
        ("https://sigil example.com", "whole address"),
        ("https://sigil.example.com/sub", "only the scheme and the host"),
        ("https://sigil.example.com?x=1", "only the scheme and the host"),
        ("https://me:secret@sigil.example.com", "only the scheme and the host"),
        ("http://localhost:8080", "tunnel"),
        ("http://127.0.0.1:8080", "tunnel"),
        ("https://[::1]:8080", "tunnel"),
        ("http://0.0.0.0:8080", "tunnel"),
        ("http://sigil.example.com", "https"),
        ("https://192.168.1.4", "private network"),
        ("https://sigil", "private network"),
        ("https://sigil.internal", "private network"),
    ],
)
def test_where_github_could_not_deliver_is_refused_with_the_reason(url: str, why: str) -> None:
    assert why in (url_trouble(url, GITHUB) or "nothing")


@pytest.mark.parametrize("url", ["https://sigil.example.com", "https://sigil.example.com:8443"])
def test_a_public_address_is_taken(url: str) -> None:
    assert url_trouble(url, GITHUB) is None


def test_a_stand_in_on_this_machine_delivers_to_this_machine() -> None:
    assert url_trouble("http://127.0.0.1:8080", "http://127.0.0.1:8090") is None


def test_an_enterprise_server_may_deliver_inside_its_network() -> None:
    assert url_trouble("https://sigil.internal", "https://github.internal") is None
    assert "tunnel" in (url_trouble("http://localhost", "https://github.internal") or "")
    assert "private" in (url_trouble("https://sigil.internal", "https://octo.ghe.com") or "")


@pytest.mark.parametrize("name", ["-octo", "octo-", "oc--to", "", "octo/x", "o" * 40, "ö"])
def test_what_is_no_account_is_no_organization(name: str) -> None:
    wish = Wish("Sigil", name, GOOD.public_url, anybody=False)
    assert set(problems(wish, GITHUB)) == {"organization"}


def test_all_problems_come_at_once() -> None:
    assert set(problems(Wish("", "!", "", anybody=True), GITHUB)) == {
        "name",
        "organization",
        "public_url",
    }
    assert problems(GOOD, GITHUB) == {}


def test_where_the_manifest_goes() -> None:
    assert creation_url(GOOD, GITHUB, "a.b") == "https://github.com/settings/apps/new?state=a.b"
    owned = Wish("Sigil", "octo-org", GOOD.public_url, anybody=True)
    assert creation_url(owned, GITHUB, "s") == (
        "https://github.com/organizations/octo-org/settings/apps/new?state=s"
    )
    assert manifest(owned, return_to="http://127.0.0.1:8080")["public"] is True
