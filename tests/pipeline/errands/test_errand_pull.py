"""What a pull request asks for, read from how it is at GitHub now."""

from collections.abc import Callable

import pytest

from pipeline.errands import table
from pipeline.errands.base import Done
from tests.pipeline.errands.desk import Desk, Person, made, manifest, rows, run_of

MakePerson = Callable[[str], Person]


def look(desk: Desk, number: int) -> Done:
    return desk.do("pull", f"#{number}")


def topic(desk: Desk, deploy: str = "", **files: str) -> int:
    """A pull request from a branch `topic` of the same repository; `deploy` is that of `main`."""
    desk.push({"mcp.yaml": manifest(deploy)})
    desk.branch("topic", {**(files or {"notes.md": "new"})})
    return desk.open("topic")


@pytest.fixture
def mona(person: MakePerson) -> Person:
    return person("mona")


def forked(desk: Desk, mona: Person, deploy: str = "") -> tuple[int, str]:
    """A pull request from mona's fork; its number and its commit."""
    desk.push({"mcp.yaml": manifest(deploy)})
    fork = desk.fork(mona)
    sha = fork.commit({"notes.md": "from a fork"})
    fork.push()
    return desk.open(f"{mona.login}:main", by=mona), sha


def test_a_pull_request_of_the_same_repository_gets_a_preview_of_its_own(desk: Desk) -> None:
    number = topic(desk)
    run = run_of(look(desk, number))
    assert (run.kind, run.environment, run.ref, run.pull_number, run.trusted) == (
        *("preview", f"preview/pr-{number}", f"refs/pull/{number}/head"),
        *(number, True),
    )
    assert rows("SELECT head_ref, base_ref, fork, author FROM pull_requests") == [
        ("topic", "main", False, "octocat")
    ]


def test_a_draft_is_checked_and_gets_its_preview_when_it_is_ready(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic", draft=True)
    assert run_of(look(desk, number)).kind == "check"
    desk.click(number, "ready")
    preview = run_of(look(desk, number))
    assert preview.kind == "preview"
    desk.click(number, "draft")
    assert "already answers" in look(desk, number).reason
    sha = desk.branch("topic", {"notes.md": "newer"})
    check = run_of(look(desk, number))
    assert (check.kind, check.sha) == ("check", sha)
    # The newer commit makes pointless what the older one waits for, a check or a preview.
    assert [state for _, _, state, _ in made()] == ["superseded", "superseded", "queued"]


def test_a_fork_is_checked_without_trust(desk: Desk, mona: Person) -> None:
    number, sha = forked(desk, mona)
    run = run_of(look(desk, number))
    assert (run.kind, run.sha, run.trusted) == ("check", sha, False)
    assert rows("SELECT fork, head_repository, author FROM pull_requests") == [
        (True, f"{mona.login}/{desk.checkout.name}", mona.login)
    ]


def test_a_person_who_may_write_is_still_a_fork_when_the_commits_come_from_one(
    desk: Desk, mona: Person
) -> None:
    desk.let_in(mona, "push")
    number, _ = forked(desk, mona)
    assert run_of(look(desk, number)).kind == "check"


def test_an_approved_commit_of_a_fork_gets_a_preview_and_the_next_one_a_check(
    desk: Desk, mona: Person
) -> None:
    number, sha = forked(desk, mona)
    look(desk, number)
    (preview,) = desk.follow(desk.command(number, f"approve {sha}"))
    run = run_of(preview)
    assert (run.kind, run.sha, run.trusted) == ("preview", sha, True)
    fork = desk.forks[mona.login]
    newer = fork.commit({"notes.md": "and now something else"})
    fork.push()
    check = run_of(look(desk, number))
    assert (check.kind, check.sha, check.trusted) == ("check", newer, False)


def test_a_commit_that_is_approved_is_not_so_in_another_pull_request(
    desk: Desk, mona: Person
) -> None:
    number, sha = forked(desk, mona)
    look(desk, number)
    desk.command(number, f"approve {sha}")
    desk.push({"README.md": "moved on"}, branch="develop")
    other = desk.open(f"{mona.login}:main", by=mona, base="develop")
    assert run_of(look(desk, other)).trusted is False


@pytest.mark.parametrize(
    ("base", "head", "kind"),
    [
        ("{on: {pull_request: check}}", "{on: {pull_request: preview}}", "check"),
        ("{on: {pull_request: none}}", "{on: {pull_request: preview}}", None),
        ("", "{on: {pull_request: none}}", "preview"),
        ('{paths: ["src/**"]}', '{paths: ["mcp.yaml"]}', "skipped"),
    ],
)
def test_the_base_branch_decides_and_a_pull_request_cannot_change_it_for_itself(
    desk: Desk, base: str, head: str, kind: str | None
) -> None:
    number = topic(desk, base, **{"mcp.yaml": manifest(head)})
    done = look(desk, number)
    if kind is None:
        assert done.reason == "deploy.on.pull_request of main says none"
        assert made() == []
    elif kind == "skipped":
        assert run_of(done).state == "skipped"
    else:
        assert run_of(done).kind == kind


def test_the_settings_of_the_base_are_kept_with_the_run(desk: Desk) -> None:
    number = topic(desk, "{breaking: block}", **{"mcp.yaml": manifest("{breaking: warn}")})
    settings = run_of(look(desk, number)).deploy_settings
    assert settings is not None
    assert settings["breaking"] == "block"


def test_another_base_decides_anew(desk: Desk) -> None:
    number = topic(desk, "{on: {pull_request: none}}")
    assert look(desk, number).run_ids == ()
    desk.branch("develop", {"mcp.yaml": manifest()})
    desk.owner("PATCH", f"{desk.path}/pulls/{number}", base="develop")
    assert run_of(look(desk, number)).kind == "preview"
    assert rows("SELECT base_ref FROM pull_requests") == [("develop",)]


def test_a_newer_commit_supersedes_what_waits_within_the_pull_request(desk: Desk) -> None:
    number = topic(desk)
    first = run_of(look(desk, number))
    sha = desk.branch("topic", {"notes.md": "newer"})
    second = run_of(look(desk, number))
    assert second.sha == sha
    assert [(kind, state) for kind, _, state, _ in made()] == [
        ("preview", "superseded"),
        ("preview", "queued"),
    ]
    assert rows("SELECT superseded_by FROM runs WHERE id = %s", first.id) == [(sha,)]


def test_a_pull_request_does_not_supersede_another(desk: Desk) -> None:
    first = topic(desk)
    desk.branch("other", {"other.md": "new"})
    second = desk.open("other")
    look(desk, first)
    look(desk, second)
    assert [state for _, _, state, _ in made()] == ["queued", "queued"]


def test_a_commit_is_looked_at_once_however_often_its_pull_request_changes(desk: Desk) -> None:
    number = topic(desk)
    first = look(desk, number)
    assert look(desk, number).run_ids == first.run_ids
    assert len(made()) == 1


def test_the_newest_commits_message_can_skip_it(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.branch("topic", {"notes.md": "new"}, "[skip sigil]")
    number = desk.open("topic")
    run = run_of(look(desk, number))
    assert (run.state, run.title) == ("skipped", "Skipped: the commit's message asks for it")
    assert (run.kind, run.pull_number) == ("preview", number)


@pytest.mark.parametrize(
    ("changed", "state"), [("src/server.py", "queued"), ("notes.md", "skipped")]
)
def test_all_that_a_pull_request_changes_counts_not_its_last_commit(
    desk: Desk, changed: str, state: str
) -> None:
    number = topic(desk, '{paths: ["src/**"]}', **{changed: "new"})
    desk.branch("topic", {"more.md": "x"})
    assert run_of(look(desk, number)).state == state


def test_without_mcp_yaml_on_both_sides_nothing_is_said(desk: Desk) -> None:
    desk.branch("topic", {"notes.md": "new"})
    number = desk.open("topic")
    assert look(desk, number) == Done(f"#{number} has no mcp.yaml")


def test_a_pull_request_that_brings_the_first_mcp_yaml_is_tried(desk: Desk) -> None:
    desk.branch("topic", {"mcp.yaml": manifest()})
    assert run_of(look(desk, desk.open("topic"))).kind == "preview"


def test_a_pull_request_that_takes_mcp_yaml_away_gets_a_check_that_says_so(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()})
    desk.checkout.git("checkout", "--quiet", "-b", "topic")
    desk.checkout.git("rm", "--quiet", "mcp.yaml")
    sha = desk.push({}, branch="topic")
    desk.checkout.git("checkout", "--quiet", "main")
    assert run_of(look(desk, desk.open("topic"))).sha == sha


def test_a_fork_that_was_deleted_is_trusted_with_nothing(desk: Desk, mona: Person) -> None:
    number, _ = forked(desk, mona)
    mona("DELETE", f"/repos/{mona.login}/{desk.checkout.name}")
    done = look(desk, number)
    assert all(not trusted for (trusted,) in rows("SELECT trusted FROM runs")), done
    assert rows("SELECT head_repository, fork FROM pull_requests") == [(None, True)]


def test_an_archived_repository_previews_nothing(desk: Desk) -> None:
    number = topic(desk)
    rows("UPDATE repositories SET archived = true")
    assert "is archived" in look(desk, number).reason
    assert made() == []


def test_a_pull_request_that_github_does_not_know_is_given_up(desk: Desk) -> None:
    errand = desk.ask("pull", "#99")
    while desk.state(errand)[0] == "waiting":
        table.work(errand)
        desk.hurry()
    assert desk.state(errand)[0] == "failed"
