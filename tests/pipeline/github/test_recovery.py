"""Deliveries that GitHub could not deliver come back, once each, however the sweep is disturbed."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from psycopg.rows import scalar_row
from werkzeug.serving import make_server

from config.database import transaction
from config.settings import settings
from pipeline.github import budget, missed, recovery
from pipeline.github.client import client
from pipeline.github.recovery import Swept, sweep
from sandbox.github import GitHubStandIn
from tests import hooks
from tests.conftest import WEBHOOK_SECRET
from tests.github_fixture import let_limits_pass
from tests.outside_evidence import assert_like_github
from tests.polling import eventually
from webhook.app import build

HOUR = 3600


@pytest.fixture
def github(
    tmp_path: Path,
    app_key: Path,
    monkeypatch: pytest.MonkeyPatch,
    database_url: str,
    redis_url: str,
) -> Iterator[GitHubStandIn]:
    """A stand-in whose webhooks go to a receiver of the test's own."""
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", WEBHOOK_SECRET)
    with GitHubStandIn(
        tmp_path / "github", private_key_file=app_key, webhook_secret=WEBHOOK_SECRET
    ) as stand_in:
        monkeypatch.setenv("GITHUB_API_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_APP_ID", str(stand_in.app_id))
        monkeypatch.setenv("GITHUB_PRIVATE_KEY_FILE", str(stand_in.private_key_file))
        settings.cache_clear()
        client.cache_clear()
        server = make_server("127.0.0.1", 0, build(), threaded=True)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        stand_in.webhook_url = f"http://127.0.0.1:{server.server_port}/webhook/github"
        yield stand_in
        server.shutdown()
        serving.join()
        server.server_close()
    settings.cache_clear()
    client.cache_clear()
    assert_like_github(stand_in.traffic.text())


def push(github: GitHubStandIn, times: int = 1) -> None:
    for _ in range(times):
        github.hooks.first.emit("push", hooks.push())
    eventually(github.hooks.idle)


def lose(github: GitHubStandIn, times: int = 1) -> None:
    """Push while nothing is delivered."""
    github.hooks.set_mischief(drop=1000)
    push(github, times)
    github.hooks.set_mischief(drop=0)


def rows(sql: str, *parameters: Any) -> list[Any]:
    with transaction() as connection, connection.cursor(row_factory=scalar_row) as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall() if cursor.description else []


def ledger() -> list[str]:
    """The events that came, in their order; redeliveries of one count once."""
    return rows("SELECT event FROM deliveries ORDER BY id")


def swept(**how: Any) -> Swept:
    done = sweep(**how)
    assert done is not None
    assert done.finished, done
    return done


def redeliveries(github: GitHubStandIn) -> list[str]:
    """The GUIDs of what was delivered again, oldest first."""
    eventually(github.hooks.idle)
    return [one.guid for one in reversed(github.hooks.deliveries()) if one.redelivery]


def test_what_was_dropped_comes_back_once_oldest_first(github: GitHubStandIn) -> None:
    push(github)
    came = ledger()
    lose(github, times=3)
    assert ledger() == came
    done = swept()
    lost = [
        one.guid
        for one in reversed(github.hooks.deliveries())
        if one.event == "push" and not one.succeeded
    ]
    assert redeliveries(github) == lost
    assert [str(guid) for guid in rows("SELECT guid FROM deliveries ORDER BY id")][-3:] == lost
    assert ledger() == [*came, "push", "push", "push"]
    assert (done.progress.missed, done.progress.asked) == (3, 3)
    # All have come: there is nothing to ask for any more.
    assert swept().progress.asked == 0
    assert len(redeliveries(github)) == 3
    assert rows("SELECT receptions FROM deliveries") == [1] * 4
    assert rows("SELECT guid FROM missed_deliveries") == []


def test_what_came_is_not_asked_for_though_github_does_not_know(github: GitHubStandIn) -> None:
    """Our answer was lost, or came too late: GitHub calls that a failure too."""
    lose(github, times=2)
    failed = [one for one in github.hooks.deliveries() if one.event == "push" and not one.succeeded]
    state = {failed[0].guid: "done", failed[1].guid: "queued"}
    for guid, kept in state.items():
        rows(
            "INSERT INTO deliveries (guid, event, state, payload) VALUES (%s, 'push', %s, '{}')",
            guid,
            kept,
        )
    assert swept().progress.asked == 0
    assert redeliveries(github) == []


def test_only_events_that_matter_are_asked_for(github: GitHubStandIn) -> None:
    github.hooks.set_mischief(drop=1000)
    github.hooks.first.emit("star", {"action": "created"})
    github.hooks.first.emit("check_run", {"action": "completed"})
    github.hooks.first.emit("ping", {"zen": "Keep it logically awesome."})
    eventually(github.hooks.idle)
    github.hooks.set_mischief(drop=0)
    done = swept()
    assert done.progress.looked >= 3
    assert done.progress.missed == 0
    assert redeliveries(github) == []


def test_a_long_list_is_read_to_its_end(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_PAGE", 2)
    lose(github, times=5)
    done = swept()
    assert done.progress.asked == 5
    eventually(lambda: ledger().count("push") == 5)


def test_a_sweep_looks_back_three_hours_and_as_far_as_the_outage_was_long(
    github: GitHubStandIn,
) -> None:
    swept()
    github.advance(-4 * HOUR)
    lose(github)
    github.advance(4 * HOUR)
    assert swept().progress.missed == 0
    # The last sweep that came to its end is five hours ago.
    rows("UPDATE recovery SET last_swept_at = now() - interval '5 hours'")
    assert swept().progress.missed == 1
    eventually(lambda: ledger() == ["push"])


def test_a_first_sweep_looks_back_as_far_as_github_keeps_anything(github: GitHubStandIn) -> None:
    github.advance(-70 * HOUR)
    lose(github)
    github.advance(70 * HOUR)
    assert swept().progress.asked == 1


def test_an_operator_may_look_back_further(github: GitHubStandIn) -> None:
    swept()
    github.advance(-4 * HOUR)
    lose(github)
    github.advance(4 * HOUR)
    assert swept(look_back=timedelta(hours=6)).progress.asked == 1


def test_a_sweep_that_is_cut_short_goes_on_where_it_was(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "_PAGE", 2)
    lose(github, times=5)
    done = sweep(seconds=0)
    turns = 0
    while done is not None and not done.finished:
        turns += 1
        assert turns < 30
        assert done.retry_at is None
        done = sweep(start=False, seconds=0)
    assert done is not None
    # Each turn has come one step further, and none was done twice.
    assert done.progress.asked == 5
    assert turns >= 5
    assert len(redeliveries(github)) == 5


@pytest.mark.parametrize("at_step", [1, 5])
def test_a_sweep_whose_worker_dies_is_taken_up_by_another(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch, at_step: int
) -> None:
    monkeypatch.setattr(recovery, "_PAGE", 2)
    lose(github, times=5)
    steps = iter(range(1, 100))

    def die(_progress: missed.Progress) -> None:
        if next(steps) == at_step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(told=die)
    # Nobody else has it while it may still live, and then whoever comes.
    assert sweep() is None
    with transaction() as connection:
        assert not missed.is_due(connection)
    rows("UPDATE recovery SET due_at = now()")
    with transaction() as connection:
        assert missed.is_due(connection)
    done = swept(start=False)
    assert (done.progress.missed, done.progress.asked) == (5, 5)
    assert len(redeliveries(github)) == 5
    assert ledger().count("push") == 5


def test_a_worker_that_lost_its_sweep_stops(github: GitHubStandIn) -> None:
    lose(github, times=2)

    def take_over(_progress: missed.Progress) -> None:
        rows("UPDATE recovery SET claim = gen_random_uuid()")

    assert sweep(told=take_over) is None


def test_what_does_not_come_is_asked_for_again_a_few_times(github: GitHubStandIn) -> None:
    github.hooks.set_mischief(drop=1000)
    push(github)
    assert swept().progress.asked == 1
    # It may still be on its way.
    assert swept().progress.asked == 0
    for _ in range(missed.MAX_ASKED + 3):
        rows("UPDATE missed_deliveries SET asked_at = asked_at - interval '1 day'")
        swept()
    assert len(redeliveries(github)) == missed.MAX_ASKED


def test_once_something_comes_through_nothing_waits_for_long(github: GitHubStandIn) -> None:
    github.hooks.set_mischief(drop=1000)
    push(github)
    for _ in range(4):
        swept()
        rows("UPDATE missed_deliveries SET asked_at = asked_at - interval '1 day'")
    rows("UPDATE missed_deliveries SET asked = 5, asked_at = now() - interval '1 hour'")
    assert swept().progress.asked == 0
    github.hooks.set_mischief(drop=0)
    push(github)
    assert swept().progress.asked == 1
    eventually(lambda: ledger().count("push") == 2)


def test_the_limits_put_a_sweep_off_without_losing_its_place(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(github, times=4)
    with monkeypatch.context() as tight:
        tight.setattr(budget, "RULES", budget.Rules(burst=2, background=0.98))
        done = sweep()
    assert done is not None
    assert not done.finished
    assert done.retry_at is not None
    assert "spaced" in (done.problem or "")
    assert done.progress.asked == 2
    # It is not taken up before its moment.
    assert sweep() is None
    rows("UPDATE recovery SET due_at = now()")
    let_limits_pass()
    assert swept(start=False).progress.asked == 4
    assert len(redeliveries(github)) == 4


@pytest.mark.parametrize("status", [401, 502])
def test_github_away_puts_a_sweep_off(github: GitHubStandIn, status: int) -> None:
    lose(github)
    github.fail("GET", "/app/hook/deliveries", "status", status=status)
    done = sweep()
    assert done is not None
    assert (done.finished, str(status) in (done.problem or "")) == (False, True)
    rows("UPDATE recovery SET due_at = now()")
    assert swept(start=False).progress.asked == 1


def test_a_delivery_that_github_has_forgotten_does_not_stop_the_others(
    github: GitHubStandIn,
) -> None:
    lose(github, times=2)
    github.fail("POST", "/app/hook/deliveries/{delivery_id}/attempts", "status", status=404)
    assert swept().progress.asked == 1
    assert rows("SELECT given_up FROM missed_deliveries WHERE given_up IS NOT NULL") == [
        "GitHub answered 404"
    ]
    assert len(redeliveries(github)) == 1


def test_a_cursor_that_github_has_forgotten_is_begun_anew(github: GitHubStandIn) -> None:
    lose(github, times=2)
    rows(
        """UPDATE recovery SET began_at = now(), since = now() - interval '3 hours',
           cursor = 'v0_nonsense'"""
    )
    assert swept(start=False).progress.asked == 2


def test_nothing_is_begun_when_only_what_was_begun_is_asked_for(github: GitHubStandIn) -> None:
    assert sweep(start=False) is None


def test_the_ledger_is_asked_by_an_index(database_url: str) -> None:
    with transaction() as connection:
        connection.execute(
            """INSERT INTO missed_deliveries (guid, github_id, event, delivered_at)
               SELECT gen_random_uuid(), n, 'push', now() FROM generate_series(1, 20000) AS n"""
        )
        connection.execute(
            """INSERT INTO deliveries (guid, event, state, payload)
               SELECT gen_random_uuid(), 'push', 'done', '{}' FROM generate_series(1, 20000)"""
        )
        connection.execute("ANALYZE")
        plan = connection.execute(
            "EXPLAIN " + missed.NEXT,
            {"most": 8, "began": "now", "pause": timedelta(minutes=30)},
        ).fetchall()
    text = "\n".join(line for (line,) in plan)
    assert "missed_deliveries_in_order" in text, text
    assert "deliveries_guid_key" in text, text
    assert "Seq Scan" not in text, text


def recover(*arguments: str) -> Result:
    return build().test_cli_runner().invoke(args=["recover", *arguments])


def test_the_command_says_what_it_did(github: GitHubStandIn) -> None:
    lose(github, times=2)
    done = recover()
    assert done.exit_code == 0, done.output
    assert "2 deliveries had not come, 2 asked for." in done.output
    assert len(redeliveries(github)) == 2


def test_the_command_waits_for_room_within_the_limits(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SPACING", "0.05")
    settings.cache_clear()
    monkeypatch.setattr(budget, "RULES", budget.Rules(burst=1, background=0.98))
    lose(github, times=4)
    done = recover()
    assert done.exit_code == 0, done.output
    assert "4 asked for" in done.output


def test_the_command_can_leave_the_rest_to_the_workers(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "RULES", budget.Rules(burst=1, background=0.98))
    lose(github, times=4)
    done = recover("--no-wait")
    assert done.exit_code == 1
    assert "The workers go on at" in done.output
    monkeypatch.undo()
    assert "A worker has the sweep" in recover().output


def test_the_command_looks_back_as_far_as_github_keeps_anything(github: GitHubStandIn) -> None:
    assert recover("--hours", "73").exit_code == 2
    assert recover("--hours", "72").exit_code == 0


def test_the_command_names_what_is_missing(
    github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_APP_ID")
    settings.cache_clear()
    failed = recover()
    assert failed.exit_code == 1
    assert "GITHUB_APP_ID" in failed.output
