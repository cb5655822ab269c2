"""What pull requests and commands write, against a real PostgreSQL."""

import pytest

from config.database import transaction
from pipeline import pull_requests, run_claims
from pipeline.triggers import (
    CommandGiven,
    DefaultBranchChanged,
    InstallationChanged,
    TagPublished,
    Trigger,
)
from tests.pipeline.intake.carrying import (
    OCTO,
    SHA,
    WEATHER,
    carry,
    claimed,
    know,
    pull,
    push,
    rows,
    run,
)

pytestmark = pytest.mark.usefixtures("database_url")


def test_a_pull_request_is_noted_and_looked_at() -> None:
    outcome = carry(pull(fork=True, head_repository="mona/weather", draft=True), 4)
    with transaction() as connection:
        noted = pull_requests.get(connection, 5, 3)
    assert noted is not None
    assert (noted.head_sha, noted.fork, noted.draft, noted.state) == (SHA, True, True, "open")
    assert rows("SELECT kind, subject, delivery_id FROM errands") == [("pull", "#3", 4)]
    assert outcome.errand_ids == (rows("SELECT id FROM errands")[0][0],)


def test_many_events_of_a_pull_request_are_one_look() -> None:
    """The look reads how it is at GitHub, so that the order of the events does not matter."""
    carry(pull())
    carry(pull(head_sha="b" * 40), 2)
    carry(pull(4), 3)
    assert rows("SELECT subject FROM errands ORDER BY id") == [("#3",), ("#4",)]


def test_closing_cancels_what_waits_and_stops_what_runs() -> None:
    know()
    preview = {"kind": "preview", "environment": "preview/pr-3", "pull_number": 3}
    running = claimed(run(**preview))
    waiting = run(**preview, attempt=2)
    unconcerned = run(attempt=3)
    carry(pull(state="closed", merged=True))
    assert run_claims.heartbeat(running) == "cancelled"
    assert rows("SELECT id, state FROM runs WHERE id <> %s ORDER BY id", running.id) == [
        (waiting, "cancelled"),
        (unconcerned, "queued"),
    ]
    assert rows("SELECT state, merged FROM pull_requests") == [("closed", True)]


def test_reopening_means_that_there_will_be_something_to_retire_again() -> None:
    know()
    carry(pull(state="closed"))
    with transaction() as connection:
        pull_requests.retired(connection, 5, 3)
    carry(pull(state="closed"), 2)
    assert rows("SELECT retired_at IS NULL FROM pull_requests") == [(False,)]
    carry(pull(), 3)
    assert rows("SELECT retired_at IS NULL FROM pull_requests") == [(True,)]


def test_a_pull_request_of_an_uninstalled_app_is_ignored() -> None:
    know()
    carry(InstallationChanged(7, "deleted"))
    assert carry(pull(), 2).ignored
    assert rows("SELECT 1 FROM pull_requests") == []


@pytest.mark.parametrize(
    "trigger",
    [
        push(),
        pull(),
        TagPublished(7, OCTO, WEATHER, "v1"),
        CommandGiven(7, OCTO, WEATHER, 3, 77, ("retry",), "mona"),
        DefaultBranchChanged(7, OCTO, WEATHER),
    ],
    ids=lambda trigger: type(trigger).__name__,
)
def test_an_unknown_installation_heals_from_whatever_comes_first(trigger: Trigger) -> None:
    assert not carry(trigger).ignored
    assert rows("SELECT id, state FROM installations") == [(7, "active")]
    assert rows("SELECT id, owner, name FROM repositories") == [(5, "octo", "weather")]
    assert rows("SELECT state FROM errands") == [("waiting",)]


def test_a_command_asks_whether_the_person_may_and_names_the_comment() -> None:
    given = CommandGiven(7, OCTO, WEATHER, 3, 77, ("approve", SHA), "mona")
    outcome = carry(given, 4)
    assert outcome.reason == f"mona wrote /sigil approve {SHA} under #3"
    assert rows("SELECT kind, subject, details, delivery_id FROM errands") == [
        (
            "command",
            "#3",
            {"words": ["approve", SHA], "actor": "mona", "number": 3, "comment_id": 77},
            4,
        )
    ]


def test_two_commands_are_carried_out_in_their_order() -> None:
    for comment in (77, 78):
        carry(CommandGiven(7, OCTO, WEATHER, 3, comment, ("retry",), "mona"), comment)
    assert rows("SELECT details ->> 'comment_id' FROM errands ORDER BY id") == [("77",), ("78",)]
