"""The one table of what Sigil asks of GitHub."""

from pathlib import Path

from pipeline.github.permissions import (
    EVENTS,
    PERMISSIONS,
    document,
    missing,
    subscriptions,
    wanted,
)

DOCUMENT = Path(__file__).parents[3] / "docs" / "github-app.md"


def test_the_documentation_shows_the_tables_as_they_are() -> None:
    assert document() in DOCUMENT.read_text()


def test_no_event_is_asked_for_without_its_permission() -> None:
    """GitHub refuses such a manifest: "Default events are not supported by permissions"."""
    assert {event.permission for event in EVENTS} <= set(wanted())


def test_what_comes_always_is_not_asked_for() -> None:
    always = {"installation", "installation_repositories", "installation_target"}
    assert not set(subscriptions()) & {*always, "github_app_authorization"}


def test_every_reason_is_a_sentence() -> None:
    for text in [one.why for one in (*PERMISSIONS, *EVENTS)] + [one.without for one in PERMISSIONS]:
        assert text.endswith(".")


def test_nothing_is_missing_when_all_or_more_is_granted() -> None:
    assert missing(wanted()) == []
    assert missing({**wanted(), "issues": "write", "administration": "write"}) == []


def test_what_is_missing_says_what_that_means() -> None:
    granted = {**wanted(), "contents": "read"}
    del granted["statuses"]
    contents, statuses = missing(granted)
    assert contents.text.startswith("Contents: read and write is not granted (it is read).")
    assert "no `mcp.yaml` is proposed" in contents.text
    assert statuses.text.startswith("Commit statuses: read and write is not granted. ")
    assert {one.permission.name for one in missing({})} == set(wanted())
