"""What changes the buttons of another run shows that run's check anew, and nothing else does."""

from dataclasses import replace
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from config.database import transaction
from pipeline import deployments, pull_requests
from pipeline.github.actions import actions
from pipeline.github.view import read_view
from pipeline.pull_requests import PullRequest
from tests import seed

HEAD, OTHER = seed.sha(7), seed.sha(8)
PULL = PullRequest(
    repository_id=1,
    number=7,
    head_sha=HEAD,
    head_ref="topic",
    head_repository="mona/weather",
    fork=True,
    base_ref="main",
    author="mona",
    draft=False,
    state="open",
    merged=False,
)


@pytest.fixture
def seeded(database_url: str) -> seed.Seeded:
    found = seed.repository()
    record(PULL)
    return found


def record(pull: PullRequest) -> None:
    with transaction() as connection:
        pull_requests.record(connection, pull)


def of_pull(kind: str = "check", state: str = "succeeded", **columns: Any) -> int:
    return seed.run(
        kind=kind,
        state=state,
        commit=HEAD,
        environment="preview/pr-7",
        pull_number=7,
        trusted=kind != "check",
        **columns,
    )


def is_due(run: int) -> bool:
    """Whether the run's report waits; afterwards it does not any more."""
    with transaction() as connection:
        row = connection.execute(
            "SELECT reported_revision < revision FROM runs WHERE id = %s", (run,)
        ).fetchone()
        connection.execute("UPDATE runs SET reported_revision = revision WHERE id = %s", (run,))
    assert row is not None
    return bool(row[0])


def buttons(run: int) -> list[str]:
    with transaction() as connection:
        return [action.identifier for action in actions(read_view(connection, run))]


@pytest.mark.parametrize(
    "change", [{"state": "closed"}, {"head_sha": OTHER}, {"draft": True}], ids=str
)
def test_a_turn_of_the_pull_request_shows_its_checks_anew(
    seeded: seed.Seeded, change: dict[str, Any]
) -> None:
    checked, retried = of_pull(), of_pull("preview", "failed")
    is_due(checked), is_due(retried)
    record(PULL)
    assert not is_due(checked), "nothing has changed"
    record(replace(PULL, **change))
    assert is_due(checked)
    assert is_due(retried)
    record(replace(PULL, **change))
    assert not is_due(checked), "the same event twice is one change"


def test_closing_takes_the_buttons_and_opening_again_gives_them_back(seeded: seed.Seeded) -> None:
    checked = of_pull()
    assert buttons(checked) == ["approve"]
    record(replace(PULL, state="closed"))
    assert buttons(checked) == []
    record(PULL)
    assert buttons(checked) == ["approve"]
    with transaction() as connection:
        pull_requests.approve(connection, PULL, HEAD, by="octocat")
    assert buttons(checked) == []


def test_a_preview_is_shown_anew_when_its_server_stops(seeded: seed.Seeded) -> None:
    run = of_pull("preview")
    seed.deployment(seeded, run, environment="preview/pr-7")
    is_due(run)
    record(replace(PULL, head_sha=OTHER))
    assert not is_due(run), "it still serves"
    with transaction() as connection:
        assert deployments.stop(connection, 1, "preview/pr-7") == 1
    assert is_due(run)
    with transaction() as connection:
        assert deployments.stop(connection, 1, "preview/pr-7") == 0
    assert not is_due(run)


def served(seeded: seed.Seeded, number: int, state: str) -> tuple[int, int]:
    run = seed.run(state="succeeded", commit=seed.sha(number))
    deployment = seed.deployment(seeded, run, state=state)
    with transaction() as connection:
        connection.execute(
            """UPDATE mcp_deployments SET artifact = %s, live_at = now() + make_interval(days => %s)
               WHERE id = %s""",
            (Jsonb({"digest": f"sha256:{number}"}), number, deployment),
        )
    return run, deployment


def test_the_last_artifact_to_go_back_to_takes_the_button_with_it(seeded: seed.Seeded) -> None:
    _, oldest = served(seeded, 10, "replaced")
    _, older = served(seeded, 11, "replaced")
    run, _ = served(seeded, 12, "live")
    is_due(run)
    assert buttons(run) == ["rollback"]
    with transaction() as connection:
        deployments.discarded(connection, oldest)
    assert not is_due(run)
    with transaction() as connection:
        deployments.discarded(connection, older)
    assert is_due(run)
    assert buttons(run) == []
