"""What each command does, and why it does not: at the GitHub stand-in."""

from collections.abc import Callable

import pytest

from pipeline import run_claims
from pipeline.errands import table
from tests.pipeline.errands.desk import Desk, Person, made, manifest, rows, run_of, serve

MakePerson = Callable[[str], Person]


@pytest.fixture
def number(desk: Desk) -> int:
    """A pull request from the same repository."""
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"})
    return desk.open("topic")


@pytest.fixture
def mona(person: MakePerson) -> Person:
    return person("mona")


@pytest.fixture
def forked(desk: Desk, mona: Person) -> tuple[int, str]:
    """A pull request from mona's fork that was looked at, and its commit."""
    desk.push({"mcp.yaml": manifest()})
    fork = desk.fork(mona)
    sha = fork.commit({"notes.md": "from a fork"})
    fork.push()
    number = desk.open(f"{mona.login}:main", by=mona)
    desk.do("pull", f"#{number}")
    return number, sha


def said(desk: Desk, number: int) -> str:
    """Sigil's last words in a pull request."""
    ours = [one["body"] for one in desk.comments(number) if one["performed_via_github_app"]]
    return str(ours[-1]) if ours else ""


def approvals() -> list[tuple[int, str, str]]:
    return rows("SELECT number, sha, approved_by FROM approvals ORDER BY sha")


def test_retry_repeats_the_newest_run_of_the_pull_request(desk: Desk, number: int) -> None:
    first = desk.do("pull", f"#{number}").run_ids[0]
    desk.finish(first, "failed")
    run = run_of(desk.command(number, "retry"))
    assert (run.parent_id, run.requested, run.actor, run.pull_number) == (
        *(first, True, "octocat"),
        number,
    )
    assert "already answers" in desk.command(number, "retry").reason


def test_retry_where_nothing_has_run_says_what_to_do(desk: Desk, number: int) -> None:
    assert desk.command(number, "retry").reason == "there is no run of this pull request yet"
    assert "`/sigil deploy` starts a preview" in said(desk, number)


def test_nothing_of_a_closed_pull_request_is_repeated(desk: Desk, number: int) -> None:
    first = desk.do("pull", f"#{number}").run_ids[0]
    desk.finish(first, "failed")
    desk.click(number, "close")
    desk.do("pull", f"#{number}")
    assert "closed" in desk.command(number, "retry").reason
    assert "closed" in desk.press(first, "retry").reason
    assert "closed" in desk.command(number, "deploy").reason
    assert len(made()) == 1


def test_cancel_ends_what_waits_and_asks_what_runs_to_stop(desk: Desk, number: int) -> None:
    running = run_claims.claim(desk.do("pull", f"#{number}").run_ids[0])
    assert running is not None
    assert desk.command(number, "cancel").reason == "cancelled by octocat"
    assert run_claims.heartbeat(running) == "cancelled"
    run_claims.finish(running, "cancelled", title="Cancelled")
    (asked,) = desk.follow(desk.command(number, "deploy"))
    waiting = run_of(asked)
    assert desk.press(waiting.id, "cancel").run_ids == (waiting.id,)
    assert rows("SELECT state FROM runs WHERE id = %s", waiting.id) == [("cancelled",)]


def test_cancel_says_when_there_is_nothing_to_cancel(desk: Desk, number: int) -> None:
    reason = "nothing waits or runs here that could be cancelled"
    assert desk.command(number, "cancel").reason == reason
    done = desk.do("pull", f"#{number}").run_ids[0]
    desk.finish(done)
    assert desk.press(done, "cancel").reason == reason
    assert rows("SELECT state FROM runs") == [("succeeded",)]


def test_deploy_gives_a_draft_its_preview(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic", draft=True)
    assert run_of(desk.do("pull", f"#{number}")).kind == "check"
    (asked,) = desk.follow(desk.command(number, "deploy"))
    run = run_of(asked)
    assert (run.kind, run.actor, run.environment) == (
        *("preview", "octocat"),
        f"preview/pr-{number}",
    )


def test_deploy_runs_what_was_skipped(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"}, "[skip sigil]")
    number = desk.open("topic")
    assert run_of(desk.do("pull", f"#{number}")).state == "skipped"
    (asked,) = desk.follow(desk.command(number, "deploy"))
    assert (run_of(asked).state, run_of(asked).attempt) == ("queued", 2)


def test_deploy_runs_once_more_what_has_ended_but_once_for_each_command(
    desk: Desk, number: int
) -> None:
    desk.finish(desk.do("pull", f"#{number}").run_ids[0])
    done = desk.command(number, "deploy")
    (asked,) = desk.follow(done)
    assert run_of(asked).attempt == 2
    desk.finish(run_of(asked).id)
    rows(
        "UPDATE errands SET state = 'waiting', finished_at = NULL, due_at = now() WHERE id = %s",
        *done.errand_ids,
    )
    (again,) = desk.follow(done)
    assert again.run_ids == asked.run_ids


def test_deploy_of_a_fork_wants_an_approval_first(desk: Desk, forked: tuple[int, str]) -> None:
    number, sha = forked
    assert desk.command(number, "deploy").reason == f"{sha[:7]} is not approved"
    assert f"`/sigil approve {sha}`" in said(desk, number)
    assert [kind for kind, *_ in made()] == ["check"]


def test_approve_lets_exactly_one_commit_be_deployed(desk: Desk, forked: tuple[int, str]) -> None:
    number, sha = forked
    before = rows("SELECT revision FROM runs")[0][0]
    done = desk.command(number, f"approve {sha}")
    assert done.reason == f"octocat approved {sha[:7]}"
    assert approvals() == [(number, sha, "octocat")]
    # The check of the commit says so now, and offers the button no more.
    assert rows("SELECT revision FROM runs")[0][0] == before + 1
    assert len(done.errand_ids) == 1


def test_approve_takes_capitals_for_what_they_are(desk: Desk, forked: tuple[int, str]) -> None:
    number, sha = forked
    desk.command(number, f"approve {sha.upper()}")
    assert approvals() == [(number, sha, "octocat")]


def test_the_button_approves_the_commit_of_its_check(desk: Desk, forked: tuple[int, str]) -> None:
    number, sha = forked
    ((run,),) = rows("SELECT id FROM runs")
    done = desk.press(run, "approve")
    assert done.reason == f"octocat approved {sha[:7]}"
    assert approvals() == [(number, sha, "octocat")]


@pytest.mark.parametrize("argument", ["", "{short}", "head", "{sha}0", "{half}"])
def test_an_approval_that_names_no_full_commit_is_none(
    desk: Desk, forked: tuple[int, str], argument: str
) -> None:
    number, sha = forked
    written = argument.format(short=sha[:7], sha=sha, half=sha[:39])
    assert desk.command(number, f"approve {written}").reason == "octocat approved no full commit id"
    assert f"`/sigil approve {sha}`" in said(desk, number)
    assert approvals() == []


def test_an_older_commit_can_not_be_approved_and_neither_can_any_other(
    desk: Desk, forked: tuple[int, str], mona: Person
) -> None:
    number, old = forked
    ((run,),) = rows("SELECT id FROM runs")
    fork = desk.forks[mona.login]
    newer = fork.commit({"notes.md": "something else, meanwhile"})
    fork.push()
    other = desk.checkout.git("rev-parse", "HEAD")
    for sha in (old, other, "f" * 40):
        reason = desk.command(number, f"approve {sha}").reason
        assert reason == f"{sha[:7]} is not the newest commit of #{number}"
        assert f"`/sigil approve {newer}`" in said(desk, number)
    assert "is not the newest commit" in desk.press(run, "approve").reason
    assert approvals() == []


def test_what_is_closed_or_no_fork_is_not_approved(desk: Desk, forked: tuple[int, str]) -> None:
    number, sha = forked
    desk.click(number, "close")
    assert desk.command(number, f"approve {sha}").reason == "the pull request is closed"
    own = desk.branch("topic", {"notes.md": "new"})
    other = desk.open("topic")
    assert "needs no approval" in desk.command(other, f"approve {own}").reason
    assert approvals() == []


def test_a_deploy_run_has_nothing_to_approve(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    run = desk.do("push", "refs/heads/main", sha=sha, before=None, skip=False).run_ids[0]
    assert desk.press(run, "approve").reason == "only a pull request can be approved"


def test_approve_twice_is_one_approval(desk: Desk, forked: tuple[int, str], mona: Person) -> None:
    number, sha = forked
    desk.let_in(mona, "push")
    desk.command(number, f"approve {sha}")
    desk.command(number, f"approve {sha}", by=mona)
    assert approvals() == [(number, sha, "octocat")]


def test_rollback_brings_back_what_served_before_in_production_or_elsewhere(
    desk: Desk, number: int
) -> None:
    good = serve(desk.repository_id, "good")
    serve(desk.repository_id, "bad", state="live")
    other = serve(desk.repository_id, "old", environment="staging")
    serve(desk.repository_id, "new", environment="staging", state="live")
    run = run_of(desk.command(number, "rollback"))
    assert (run.kind, run.environment, run.target_id, run.actor) == (
        *("rollback", "production", good.id),
        "octocat",
    )
    assert run_of(desk.command(number, "rollback staging")).target_id == other.id


def test_rollback_by_the_button_of_what_serves(desk: Desk) -> None:
    good = serve(desk.repository_id, "good")
    bad = serve(desk.repository_id, "bad", state="live")
    assert desk.press(good.run_id, "rollback").reason == "that deployment does not serve any more"
    assert run_of(desk.press(bad.run_id, "rollback")).target_id == good.id


@pytest.mark.parametrize("environment", ["", "nowhere", "`x`"])
def test_rollback_says_when_there_is_nothing_to_go_back_to(
    desk: Desk, number: int, environment: str
) -> None:
    serve(desk.repository_id, "only", state="live")
    done = desk.command(number, f"rollback {environment}")
    assert done.reason == f"there is nothing in {environment or 'production'!r} to go back to"
    assert "Revert the commit and push instead" in said(desk, number)
    assert len(made()) == 1


def test_a_rollback_whose_answer_got_lost_does_not_go_back_one_further(
    desk: Desk, number: int
) -> None:
    serve(desk.repository_id, "oldest")
    good = serve(desk.repository_id, "good")
    bad = serve(desk.repository_id, "bad", state="live")
    desk.github.fail(
        "POST", "/repos/{owner}/{repo}/issues/{issue_number}/comments", "status", skip=1
    )
    comment = desk.comment(number, "/sigil rollback")
    details = {"words": ["rollback"], "actor": "octocat", "number": number, "comment_id": comment}
    errand = desk.ask("command", f"#{number}", delivery=comment, **details)
    assert table.work(errand) is None
    # Meanwhile it was carried out to its end.
    ((run, target),) = rows("SELECT id, target_id FROM runs WHERE kind = 'rollback'")
    assert target == good.id
    rows("UPDATE runs SET state = 'succeeded' WHERE id = %s", run)
    rows("UPDATE mcp_deployments SET state = 'replaced', withdrawn = true WHERE id = %s", bad.id)
    serve(desk.repository_id, "good", state="live", kind="rollback")
    desk.hurry()
    done = table.work(errand)
    assert done is not None
    assert done.run_ids == (run,)
    assert rows("SELECT count(*) FROM runs WHERE target_id IS NOT NULL") == [(1,)]


def test_a_rollback_does_not_bring_the_preview_of_a_closed_pull_request_back(
    desk: Desk, number: int
) -> None:
    desk.branch("other", {"other.md": "new"})
    closed = desk.open("other")
    desk.click(closed, "close")
    serve(desk.repository_id, "old", environment=f"preview/pr-{closed}")
    serve(desk.repository_id, "new", environment=f"preview/pr-{closed}", state="stopped")
    assert desk.command(number, f"rollback preview/pr-{closed}").run_ids == ()
    assert "push the commit that it should show" in said(desk, number)
