"""The table from GitHub's events to triggers, on recorded payloads and on mutilated ones."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.skipping import asks_to_skip
from pipeline.triggers import (
    Account,
    BranchPushed,
    CommandGiven,
    Ignored,
    InstallationChanged,
    Installed,
    RepositoriesRemoved,
    RepositoryRef,
    RerunRequested,
    TagPublished,
    VisibilityChanged,
    triggers_for,
)
from sandbox.evidence import EXAMPLES, fetch
from tests.hooks import BEFORE, SHA, push

ZEROS = "0" * 40
OCTO = Account(583231, "octo")
WEATHER = RepositoryRef(1296269, "octo", "weather", private=False, default_branch="main")
INSTALLATION = {"id": 42, "account": {"id": 583231, "login": "octo"}}
LISTED = [{"id": 1296269, "name": "weather", "full_name": "octo/weather", "private": True}]


@pytest.fixture(scope="module")
def recorded() -> list[tuple[str, dict[str, Any]]]:
    events = json.loads(fetch(EXAMPLES).read_text())
    return [(event["name"], example) for event in events for example in event["examples"]]


def test_a_push_to_a_branch_names_the_commit_and_the_one_before() -> None:
    assert triggers_for("push", push()) == BranchPushed(
        42, OCTO, WEATHER, "main", SHA, BEFORE, "Forecast for tomorrow"
    )


def test_a_push_without_a_head_commit_does_not_tell_the_message() -> None:
    pushed = triggers_for("push", push(head_commit=None))
    assert pushed == BranchPushed(42, OCTO, WEATHER, "main", SHA, BEFORE, None)


def test_a_new_branch_has_no_commit_before() -> None:
    pushed = triggers_for("push", push(ref="refs/heads/a/b", before=ZEROS, created=True))
    assert pushed == BranchPushed(42, OCTO, WEATHER, "a/b", SHA, None, "Forecast for tomorrow")


def test_a_forced_push_without_commits_is_a_push() -> None:
    pushed = triggers_for("push", push(forced=True, commits=[]))
    assert isinstance(pushed, BranchPushed)


def test_a_deleted_branch_or_tag_is_ignored() -> None:
    for ref in ("refs/heads/old", "refs/tags/v1"):
        gone = triggers_for("push", push(ref=ref, after=ZEROS, deleted=True, head_commit=None))
        assert gone == Ignored(f"{ref} was deleted: there is no commit to run.")


@pytest.mark.parametrize("mark", ["[skip sigil]", "[sigil skip]", "Docs [Skip Sigil] only"])
def test_a_push_marked_to_be_skipped_is_told_with_its_message(mark: str) -> None:
    message = f"Typo\n\n{mark}"
    marked = triggers_for("push", push(head_commit={"id": SHA, "message": message}))
    # It gets a check that says so: whether there is one, the settings of the commit decide.
    assert isinstance(marked, BranchPushed)
    assert marked.message == message
    assert asks_to_skip(message)


@pytest.mark.parametrize("message", ["skip sigil", "[skip ci]", "[skip  sigil]", ""])
def test_other_messages_do_not_ask_to_be_skipped(message: str) -> None:
    assert not asks_to_skip(message)


def test_a_tag_is_told_by_name_whatever_its_commit_says() -> None:
    """Its commit is asked of GitHub: an annotated tag's push names the tag object."""
    for commit in ({"id": SHA, "message": "[skip sigil]"}, None):
        tagged = push(ref="refs/tags/v2.0.0", after="f" * 40, head_commit=commit)
        assert triggers_for("push", tagged) == TagPublished(42, OCTO, WEATHER, "v2.0.0")


def test_a_tag_that_names_no_version_is_ignored() -> None:
    assert triggers_for("push", push(ref="refs/tags/nightly")) == Ignored(
        "The tag nightly does not start with v, so it names no version."
    )


@pytest.mark.parametrize("ref", ["refs/notes/commits", "refs/heads/", "main"])
def test_other_refs_are_ignored(ref: str) -> None:
    assert isinstance(triggers_for("push", push(ref=ref)), Ignored)


def test_a_push_from_a_webhook_that_is_not_the_apps_says_what_is_missing() -> None:
    payload = push()
    del payload["installation"]
    assert triggers_for("push", payload) == Ignored(
        "The push payload has no usable installation.id."
    )


def test_a_published_release_names_its_tag() -> None:
    payload = push(action="published", release={"tag_name": "2026.1"})
    assert triggers_for("release", payload) == TagPublished(42, OCTO, WEATHER, "2026.1")


def test_an_installation_comes_with_its_repositories() -> None:
    repository = RepositoryRef(1296269, "octo", "weather", private=True)
    granted = INSTALLATION | {"permissions": {"checks": "write", "odd": 7, "metadata": "read"}}
    created = {"action": "created", "installation": granted, "repositories": LISTED}
    added = {"action": "added", "installation": granted, "repositories_added": LISTED}
    permissions = {"checks": "write", "metadata": "read"}
    expected = Installed(42, OCTO, (repository,), permissions)
    assert triggers_for("installation", created) == expected
    assert triggers_for("installation_repositories", added) == expected


@pytest.mark.parametrize(("action", "private"), [("privatized", True), ("publicized", False)])
def test_a_repository_that_became_private_or_public_says_which(action: str, private: bool) -> None:
    payload = push(action=action)
    payload["repository"]["private"] = private
    assert triggers_for("repository", payload) == VisibilityChanged(
        RepositoryRef(1296269, "octo", "weather", private=private, default_branch="main")
    )


def test_removed_repositories_are_named_by_id() -> None:
    payload = {"action": "removed", "installation": INSTALLATION, "repositories_removed": LISTED}
    assert triggers_for("installation_repositories", payload) == RepositoriesRemoved(42, (1296269,))


@pytest.mark.parametrize(
    ("action", "state"), [("suspend", "suspended"), ("unsuspend", "active"), ("deleted", "deleted")]
)
def test_an_installation_changes_state_by_githubs_literal_words(action: str, state: Any) -> None:
    payload = {"action": action, "installation": INSTALLATION}
    assert triggers_for("installation", payload) == InstallationChanged(42, state)


def test_a_check_run_is_repeated_by_its_external_id_and_a_suite_by_its_commit() -> None:
    run = push(action="rerequested", check_run={"external_id": "sigil-run-7", "head_sha": SHA})
    suite = push(action="rerequested", check_suite={"head_sha": SHA})
    assert triggers_for("check_run", run) == RerunRequested(42, WEATHER, "sigil-run-7", SHA)
    assert triggers_for("check_suite", suite) == RerunRequested(42, WEATHER, None, SHA)


def test_a_check_run_that_sigil_did_not_make_is_ignored() -> None:
    foreign = push(action="rerequested", check_run={"external_id": "", "head_sha": SHA})
    assert isinstance(triggers_for("check_run", foreign), Ignored)


def test_an_unknown_event_or_action_is_ignored_by_its_name() -> None:
    assert triggers_for("star", {"action": "created"}) == Ignored(
        "Sigil does not act on star events."
    )
    assert triggers_for("release", push(action="edited")) == Ignored(
        "Sigil does not act on release.edited, only on release.published."
    )
    assert triggers_for("release", push()) == Ignored(
        "Sigil does not act on release.(no action), only on release.published."
    )


def test_the_recorded_payloads_ask_for_what_their_actions_say(
    recorded: list[tuple[str, dict[str, Any]]],
) -> None:
    assert len(recorded) == 329
    asked = {
        (event, payload.get("action"), type(trigger).__name__)
        for event, payload in recorded
        if not isinstance(trigger := triggers_for(event, payload), Ignored)
    }
    # The recorded check runs have no external_id, and the published releases no installation.
    assert asked == {
        ("push", None, "BranchPushed"),
        ("installation", "created", "Installed"),
        ("installation", "deleted", "InstallationChanged"),
        ("installation", "suspend", "InstallationChanged"),
        ("installation", "unsuspend", "InstallationChanged"),
        ("installation_repositories", "added", "Installed"),
        ("installation_repositories", "removed", "RepositoriesRemoved"),
        ("check_suite", "rerequested", "RerunRequested"),
        ("installation", "new_permissions_accepted", "PermissionsGranted"),
        *(
            ("pull_request", action, "PullRequestChanged")
            for action in (
                *("opened", "reopened", "synchronize", "closed"),
                *("ready_for_review", "converted_to_draft"),
            )
        ),
        ("repository", "renamed", "RepositoryMoved"),
        ("repository", "transferred", "RepositoryMoved"),
        ("repository", "privatized", "VisibilityChanged"),
        ("repository", "publicized", "VisibilityChanged"),
    }


def test_a_recorded_payload_without_any_one_field_never_raises(
    recorded: list[tuple[str, dict[str, Any]]],
) -> None:
    """Each field in turn is taken away, emptied, and made something else."""
    acted_on = [
        (event, payload)
        for event, payload in recorded
        if not isinstance(triggers_for(event, payload), Ignored)
    ]
    assert acted_on
    for event, payload in acted_on:
        for path in _paths(payload):
            for value in (None, "", "\0", "\ud800", 0, -1, 2**70, True, [], {}, [[]], "x" * 300):
                assert triggers_for(event, _replaced(payload, path, value)) is not None


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if len(path) < 3 and isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from _paths(value[key], (*path, key))


def _replaced(payload: Any, path: tuple[Any, ...], value: Any) -> Any:
    changed = copy.copy(payload)
    inner = _replaced(payload[path[0]], path[1:], value) if len(path) > 1 else value
    changed[path[0]] = inner
    return changed


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
FIELDS = ("action", "ref", "after", "before", "deleted", "installation", "repository", "release")
EVENTS = ("push", "installation", "installation_repositories", "release", "check_run", "ping")


@given(st.sampled_from(EVENTS), st.dictionaries(st.sampled_from(FIELDS) | st.text(), JSON))
def test_no_body_at_all_makes_it_raise(event: str, payload: dict[str, Any]) -> None:
    assert triggers_for(event, payload) is not None


def comment(body: str, number: int = 3) -> dict[str, Any]:
    return {
        "action": "created",
        "comment": {"id": 9, "body": body},
        "issue": {"number": number, "pull_request": {}},
        "sender": {"login": "mona", "type": "User"},
        "installation": INSTALLATION,
        "repository": push()["repository"],
    }


def words_of(body: str) -> tuple[str, ...] | None:
    trigger = triggers_for("issue_comment", comment(body))
    return trigger.words if isinstance(trigger, CommandGiven) else None


@pytest.mark.parametrize(
    "body",
    [
        "Write this:\n```\n/sigil rollback\n```\n",
        "Write this:\r\n~~~sh\r\n/sigil rollback\r\n~~~\r\nThanks",
        "```\n/sigil rollback\n",
        "Thanks!\n<!--\n/sigil rollback\n-->",
        "<!-- \n/sigil rollback",
        "> /sigil rollback",
        "Say `/sigil rollback`",
    ],
)
def test_a_command_that_is_only_shown_or_hidden_is_none(body: str) -> None:
    assert words_of(body) is None


@pytest.mark.parametrize(
    "body",
    [
        "```\ncode\n```\n/sigil rollback",
        "<!-- note -->\r\n/sigil rollback\r\n",
        "/sigil rollback\n" + "/sigil cancel\n" * 4000,
        "Please:\n  /Sigil  ROLLBACK",
    ],
)
def test_the_first_command_that_is_said_counts(body: str) -> None:
    assert words_of(body) == ("rollback",)


def test_a_command_is_words_that_can_be_stored() -> None:
    assert words_of("/sigil retry\0 \ud800x") == ("retry", "?x")
    assert triggers_for("issue_comment", comment("/sigil retry", 2**31)) == Ignored(
        "The issue_comment payload has no usable issue.number."
    )
