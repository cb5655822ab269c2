"""What a pushed commit asks for: the `deploy:` settings of its own `mcp.yaml` decide."""

import pytest

from pipeline.errands import table
from pipeline.errands.base import Done
from tests.pipeline.errands.desk import Desk, made, manifest, rows, run_of

NOWHERE = "0123456789" * 4


def look(
    desk: Desk,
    sha: str,
    branch: str = "main",
    *,
    before: str | None = None,
    skip: bool | None = False,
) -> Done:
    return desk.do("push", f"refs/heads/{branch}", sha=sha, before=before, skip=skip)


def test_a_push_to_the_default_branch_deploys_to_production(desk: Desk) -> None:
    before = desk.checkout.git("rev-parse", "HEAD")
    sha = desk.push({"mcp.yaml": manifest()})
    done = look(desk, sha, before=before)
    run = run_of(done)
    assert (run.kind, run.environment, run.ref, run.sha, run.before_sha, run.delivery_id) == (
        *("deploy", "production", "refs/heads/main"),
        *(sha, before, 4),
    )
    assert (run.state, run.trusted, run.requested) == ("queued", True, False)
    assert run.deploy_settings is not None
    assert run.deploy_settings["release"] == "production"
    assert done.reason == f"run {run.id} brings {sha[:7]} to production"


def test_a_commit_is_run_once_however_often_it_is_looked_at(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    first, second = look(desk, sha), look(desk, sha)
    assert second.run_ids == first.run_ids
    assert "already answers" in second.reason


@pytest.mark.parametrize(
    ("deploy", "branch", "environment"),
    [
        ("{on: {push: {main: production, develop: staging}}}", "develop", "staging"),
        ("{on: {push: {main: production, develop: staging}}}", "main", "production"),
        ("{on: {push: {'release/*': canary}}}", "release/2", "canary"),
        ("{on: {push: {'release/*': canary}}}", "release/2/hot", None),
        ("{on: {push: {'release/**': canary}}}", "release/2/hot", "canary"),
        ("{on: {push: {'**': any, main: live}}}", "main", "live"),
        ("{on: {push: {develop: staging}}}", "main", None),
        ("{on: {push: {}}}", "main", None),
        ("", "develop", None),
    ],
)
def test_branches_deploy_where_the_commits_own_settings_say(
    desk: Desk, deploy: str, branch: str, environment: str | None
) -> None:
    sha = desk.push({"mcp.yaml": manifest(deploy)}, branch=branch)
    done = look(desk, sha, branch)
    if environment is None:
        assert made() == []
        assert f"branch {branch} is not tracked" in done.reason
    else:
        assert made() == [("deploy", environment, "queued", sha)]


def test_an_untracked_branch_is_told_which_are_tracked(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()}, branch="idea")
    assert look(desk, sha, "idea").reason == (
        "branch idea is not tracked: only a push to main deploys"
    )
    sha = desk.push({"mcp.yaml": manifest("{on: {push: {main: production, 'v/*': old}}}")})
    assert look(desk, sha, "idea").reason.endswith("deploy.on.push of its mcp.yaml names main, v/*")


def test_another_default_branch_is_the_one_that_deploys(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    rows("UPDATE repositories SET default_branch = 'trunk'")
    assert look(desk, sha).run_ids == ()
    assert len(look(desk, sha, "trunk").run_ids) == 1


@pytest.mark.parametrize("told", [True, None])
def test_a_commit_whose_message_asks_for_it_is_skipped_and_its_check_says_so(
    desk: Desk, told: bool | None
) -> None:
    """Also when no event told the message, as after a lost one."""
    sha = desk.push({"mcp.yaml": manifest()}, "Typo\n\n[skip sigil]")
    done = look(desk, sha, skip=told)
    run = run_of(done)
    assert (run.state, run.title) == ("skipped", "Skipped: the commit's message asks for it")
    assert run.finished_at is not None
    assert done.reason == f"run {run.id}: {run.title}"
    assert look(desk, sha, skip=told).run_ids == (run.id,)


PATHS = '{paths: ["src/**", "mcp.yaml", "!src/docs/**"]}'


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ("src/server.py", "queued"),
        ("src/docs/manual.md", "skipped"),
        ("README.md", "skipped"),
        ("mcp.yaml", "queued"),
    ],
)
def test_a_push_is_skipped_when_no_file_that_matters_changed(
    desk: Desk, changed: str, state: str
) -> None:
    before = desk.push({"mcp.yaml": manifest(PATHS)})
    desk.push({"src/server.py": "one"}, branch="elsewhere")
    before = desk.checkout.git("rev-parse", "HEAD")
    content = manifest(PATHS, version="1.0.1") if changed == "mcp.yaml" else "two"
    sha = desk.push({changed: content})
    run = run_of(look(desk, sha, before=before))
    assert run.state == state
    if state == "skipped":
        assert run.title == ("Skipped: none of the files that `deploy.paths` names has changed")


def test_a_file_that_is_moved_away_from_what_matters_has_changed_it(desk: Desk) -> None:
    before = desk.push({"mcp.yaml": manifest(PATHS), "src/server.py": "one\n" * 50})
    desk.checkout.git("mv", "src/server.py", "old.py")
    sha = desk.push({})
    assert run_of(look(desk, sha, before=before)).state == "queued"


def test_the_filter_of_paths_fails_open_for_what_github_does_not_list(desk: Desk) -> None:
    """It lists 300 files of a comparison, and says of no more that there are more."""
    before = desk.push({"mcp.yaml": manifest(PATHS)})
    most = desk.push({f"docs/{number}.md": "x" for number in range(299)})
    assert run_of(look(desk, most, before=before)).state == "skipped"
    more = desk.push({"docs/299.md": "x"})
    assert run_of(look(desk, more, before=before)).state == "queued"


def test_the_filter_of_paths_fails_open_for_a_new_branch_and_an_unknown_commit(desk: Desk) -> None:
    first = desk.push({"mcp.yaml": manifest(PATHS), "README.md": "one"})
    assert run_of(look(desk, first, before=None)).state == "queued"
    second = desk.push({"README.md": "two"})
    assert run_of(look(desk, second, before=NOWHERE)).state == "queued"


def test_the_filter_of_paths_fails_open_for_a_forced_push(desk: Desk) -> None:
    """What the commits that were taken back had changed is in no list."""
    kept = desk.push({"mcp.yaml": manifest(PATHS)})
    taken_back = desk.push({"src/server.py": "a mistake"})
    desk.checkout.git("reset", "--quiet", "--hard", kept)
    sha = desk.checkout.commit({"README.md": "other"})
    desk.checkout.push("--force", "HEAD:main")
    assert run_of(look(desk, sha, before=taken_back)).state == "queued"


def test_a_repository_that_never_had_mcp_yaml_is_left_alone(desk: Desk) -> None:
    sha = desk.push({"README.md": "nothing else"})
    assert look(desk, sha) == Done("main has no mcp.yaml")
    assert made() == []


def test_where_mcp_yaml_got_lost_a_run_says_so(desk: Desk) -> None:
    look(desk, desk.push({"mcp.yaml": manifest()}))
    desk.checkout.git("rm", "--quiet", "mcp.yaml")
    sha = desk.push({})
    assert run_of(look(desk, sha)).sha == sha


@pytest.mark.parametrize(
    "text", ["version: [", "schema: 1\ncolour: red\n", manifest("{on: {push: 7}}"), "\0"]
)
def test_an_mcp_yaml_with_mistakes_gets_the_run_that_reports_them(desk: Desk, text: str) -> None:
    sha = desk.push({"mcp.yaml": text})
    assert run_of(look(desk, sha)).environment == "production"


def test_a_mistake_elsewhere_in_the_file_does_not_change_where_a_branch_deploys(desk: Desk) -> None:
    wrong = manifest("{on: {push: {develop: staging}}}").replace(
        "runtime: python", "runtime: cobol"
    )
    sha = desk.push({"mcp.yaml": wrong}, branch="develop")
    assert run_of(look(desk, sha, "develop")).environment == "staging"


def test_an_archived_repository_runs_nothing(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    rows("UPDATE repositories SET archived = true")
    assert "is archived" in look(desk, sha).reason
    assert made() == []


def test_a_newer_push_supersedes_the_one_that_waits(desk: Desk) -> None:
    first = desk.push({"mcp.yaml": manifest()})
    second = desk.push({"server.py": "two"})
    look(desk, first)
    look(desk, second, before=first)
    assert [(state, sha) for _, _, state, sha in made()] == [
        ("superseded", first),
        ("queued", second),
    ]


def test_github_away_is_asked_again(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    desk.github.fail("GET", "/repos/{owner}/{repo}/contents/{path}", "status", status=502)
    errand = desk.ask("push", "refs/heads/main", sha=sha, before=None, skip=False)
    assert table.work(errand) is None
    assert desk.state(errand)[0] == "waiting"
    desk.hurry()
    done = table.work(errand)
    assert done is not None
    assert run_of(done).sha == sha


def test_a_worker_that_dies_after_it_made_the_run_makes_no_second_one(desk: Desk) -> None:
    sha = desk.push({"mcp.yaml": manifest()})
    errand = desk.ask("push", "refs/heads/main", sha=sha, before=None, skip=False)
    first = table.work(errand)
    assert first is not None
    rows("UPDATE errands SET state = 'waiting', finished_at = NULL, due_at = now()")
    again = table.work(errand)
    assert again is not None
    assert again.run_ids == first.run_ids
    assert len(made()) == 1
