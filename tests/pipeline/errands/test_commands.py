"""Who may give a command, and what becomes of the answer: at the GitHub stand-in."""

from collections.abc import Callable

import pytest

from pipeline.errands import table
from pipeline.errands.base import Done
from tests.pipeline.errands.desk import Desk, Person, manifest, rows, run_of

MakePerson = Callable[[str], Person]

REPLIES = "/repos/{owner}/{repo}/issues/{issue_number}/comments"


@pytest.fixture
def number(desk: Desk) -> int:
    """A pull request whose first run has failed."""
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic")
    desk.finish(run_of(desk.do("pull", f"#{number}")).id, "failed")
    return number


def answers(desk: Desk, number: int) -> list[str]:
    """What Sigil has written, without its hidden marks."""
    return [
        comment["body"].partition("\n")[2]
        for comment in desk.comments(number)
        if comment["performed_via_github_app"]
    ]


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("admin", True),
        ("maintain", True),
        ("push", True),
        ("triage", False),
        ("pull", False),
        (None, False),
    ],
)
def test_people_with_write_permission_are_obeyed(
    desk: Desk, number: int, person: MakePerson, role: str | None, may: bool
) -> None:
    mona = person("mona")
    if role:
        desk.let_in(mona, role)
    done = desk.command(number, "retry", by=mona)
    assert bool(done.run_ids) is may
    assert rows("SELECT actor FROM runs WHERE attempt = 2") == ([(mona.login,)] if may else [])
    if not may:
        assert done.reason == f"{mona.login} has no write permission: refused"


def test_a_bot_is_not_obeyed(desk: Desk, number: int) -> None:
    details = {"words": ["retry"], "actor": "sigil[bot]", "number": number, "comment_id": 7}
    assert desk.do("command", f"#{number}", **details).run_ids == ()


def test_one_polite_refusal_for_a_person_and_pull_request(
    desk: Desk, number: int, person: MakePerson
) -> None:
    mona, hubot = person("mona"), person("hubot")
    for someone in (mona, mona, hubot, mona):
        desk.command(number, "retry", by=someone)
    said = answers(desk, number)
    assert len(said) == 2
    assert f"Thanks for trying Sigil, @{mona.login}." in said[0]
    assert f"@{hubot.login}" in said[1]
    desk.branch("other", {"other.md": "new"})
    other = desk.open("other")
    desk.command(other, "retry", by=mona)
    assert len(answers(desk, other)) == 1


def test_somebody_elses_comment_is_not_taken_for_the_refusal(
    desk: Desk, number: int, person: MakePerson
) -> None:
    mona = person("mona")
    desk.comment(number, f"<!-- sigil:refused:{mona.login} -->", by=mona)
    desk.command(number, "retry", by=mona)
    assert len(answers(desk, number)) == 1


def test_each_command_is_answered_by_one_comment(desk: Desk, number: int) -> None:
    run = run_of(desk.command(number, "retry"))
    assert answers(desk, number) == [f"Run {run.id} brings {run.sha[:7]} to preview/pr-{number}."]
    done = desk.command(number, "dance")
    assert done.reason == "octocat asked for dance, which is no command"
    _, said = answers(desk, number)
    assert said.startswith("There is no command `dance`.")
    assert "| `/sigil help` | shows this |" in said


@pytest.mark.parametrize("text", ["help", ""])
def test_help_lists_the_commands(desk: Desk, number: int, text: str) -> None:
    desk.command(number, text)
    (said,) = answers(desk, number)
    for verb in ("deploy", "retry", "rollback", "cancel", "approve", "help"):
        assert f"`/sigil {verb}" in said


def test_a_word_that_is_no_command_cannot_write_into_the_answer(desk: Desk, number: int) -> None:
    desk.command(number, "`@everyone<b>" + "x" * 50)
    assert answers(desk, number)[0].startswith("There is no command `??everyone?b?xxxxxx")


@pytest.mark.parametrize("applied", [True, False])
def test_a_command_whose_answer_got_lost_is_neither_carried_out_nor_answered_twice(
    desk: Desk, number: int, applied: bool
) -> None:
    comment = desk.comment(number, "/sigil retry")
    desk.github.fail("POST", REPLIES, "status", status=502, applied=applied)
    assert ("was answered already" in repeated(desk, number, comment, ["retry"])) is applied
    assert len(answers(desk, number)) == 1
    assert rows("SELECT attempt FROM runs ORDER BY id") == [(1,), (2,)]


def repeated(desk: Desk, number: int, comment: int, words: list[str]) -> str:
    """Carry a command out whose first attempt does not come through; return what came of it."""
    details = {"words": words, "actor": "octocat", "number": number, "comment_id": comment}
    errand = desk.ask("command", f"#{number}", delivery=comment, **details)
    assert table.work(errand) is None
    desk.hurry()
    done = table.work(errand)
    assert done is not None
    return done.reason


def test_also_when_the_run_that_was_repeated_has_ended_meanwhile(desk: Desk, number: int) -> None:
    comment = desk.comment(number, "/sigil retry")
    details = {"words": ["retry"], "actor": "octocat", "number": number, "comment_id": comment}
    desk.github.fail("POST", REPLIES, "status", status=502)
    errand = desk.ask("command", f"#{number}", delivery=comment, **details)
    table.work(errand)
    ((again,),) = rows("SELECT max(id) FROM runs")
    desk.finish(again, "failed")
    desk.hurry()
    done = table.work(errand)
    assert done is not None
    assert done.run_ids == (again,)


@pytest.mark.parametrize("status", [403, 404])
def test_what_was_done_stays_done_where_nothing_can_be_said(
    desk: Desk, number: int, status: int
) -> None:
    """The pull request is gone, or the conversation locked."""
    comment = desk.comment(number, "/sigil retry")
    desk.github.fail("POST", REPLIES, "status", status=status, times=None)
    done = desk.command(number, "retry", comment=comment)
    assert run_of(done).attempt == 2


def test_permission_is_asked_for_each_command(desk: Desk, number: int, person: MakePerson) -> None:
    mona = person("mona")
    desk.let_in(mona, "push")
    assert desk.command(number, "retry", by=mona).run_ids
    desk.owner("DELETE", f"{desk.path}/collaborators/{mona.login}")
    assert desk.command(number, "cancel", by=mona) == Done(
        f"{mona.login} has no write permission: refused"
    )


def test_a_button_is_obeyed_without_a_word(desk: Desk, number: int, person: MakePerson) -> None:
    ((run,),) = rows("SELECT id FROM runs")
    mona = person("mona")
    assert desk.press(run, "retry", by=mona).run_ids == ()
    done = desk.press(run, "retry")
    assert run_of(done).parent_id == run
    assert desk.comments(number) == []
