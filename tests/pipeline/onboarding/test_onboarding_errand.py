"""The one pull request, opened at the stand-in, and what its people make of it."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from config.database import transaction
from config.settings import settings
from pipeline import onboardings, runs
from pipeline.errands import handlers as handlers
from pipeline.errands import table
from pipeline.errands.base import Done, Errand
from pipeline.errands.onboarding import onboard
from pipeline.github.client import GitHubAway, GitHubRefused
from pipeline.intake import carry_out
from pipeline.manifest import parse
from pipeline.triggers.kinds import Account, PermissionsGranted, PullRequestChanged, RepositoryRef
from tests.github_fixture import Checkout, api
from tests.pipeline.onboarding import corpus

BRANCH = "sigil/onboarding"


def errand(checkout: Checkout, attempts: int = 1) -> Errand:
    with transaction() as connection:
        row = connection.execute("SELECT id FROM repositories").fetchone()
        assert row is not None
        repository = runs.repository(connection, row[0])
    assert repository is not None
    return Errand(1, "onboarding", repository, "", {}, attempts, None)


def state(checkout: Checkout) -> onboardings.Onboarding | None:
    with transaction() as connection:
        return onboardings.get(connection, errand(checkout).repository.id)


def settled(checkout: Checkout) -> tuple[str, str | None]:
    found = state(checkout)
    assert found is not None
    return found.state, found.reason


def pulls(checkout: Checkout) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = checkout.api("GET", "/pulls?state=all")
    return listed


def closed(checkout: Checkout, number: int, merged: bool | None) -> None:
    """What intake does with the event."""
    with transaction() as connection:
        onboardings.follow_pull_request(
            connection, errand(checkout).repository.id, number, merged=merged
        )


def wanted(checkout: Checkout) -> bool:
    with transaction() as connection:
        return onboardings.wanted(connection, errand(checkout).repository.id)


@pytest.fixture
def dice(checkout: Checkout) -> Checkout:
    """A repository with a server and without `mcp.yaml`."""
    checkout.commit(corpus.FASTMCP_STDIO)
    checkout.push()
    return checkout


def test_a_server_gets_one_pull_request_with_a_valid_file(dice: Checkout) -> None:
    done = onboard(errand(dice))
    (pull,) = pulls(dice)
    assert done == Done(f"pull request #{pull['number']} proposes an mcp.yaml")
    assert settled(dice) == ("open", done.reason)
    assert (pull["state"], pull["base"]["ref"], pull["head"]["ref"]) == ("open", "main", BRANCH)
    assert pull["user"]["type"] == "Bot"

    files = dice.api("GET", f"/pulls/{pull['number']}/files")
    assert [(one["filename"], one["status"]) for one in files] == [("mcp.yaml", "added")]
    dice.git("fetch", "--quiet", "origin", BRANCH)
    text = dice.git("show", "FETCH_HEAD:mcp.yaml")
    assert parse(text.encode()).entrypoint == ("mcp-server-dice",)
    assert dice.git("rev-parse", "FETCH_HEAD^") == dice.git("rev-parse", "HEAD")


def test_the_text_says_what_was_found_from_where_and_how_to_say_no(dice: Checkout) -> None:
    onboard(errand(dice))
    (pull,) = pulls(dice)
    for words in (
        "| `entrypoint` | `mcp-server-dice` | `mcp-server-dice` of the scripts in pyproject.toml |",
        "| `transport` | `stdio` | `src/mcp_server_dice/__init__.py` |",
        "| `DICE_SEED` | setting, optional | `src/mcp_server_dice/server.py` |",
        "`roll`, `roll_loaded`",
        "listed as `io.github.octocat/mcp-server-dice`",
        "**Close it**",
    ):
        assert words in pull["body"]


def test_what_strangers_wrote_mentions_nobody_and_breaks_no_table(checkout: Checkout) -> None:
    described = '{"name": "x/y", "packages": [], "title": "a|b @octocat #1 <b>", "description": 1}'
    server = "from mcp.server import MCPServer\nimport os\nos.environ['A_KEY']\n"
    checkout.commit({"server.json": described, "`|@octocat.py": server})
    checkout.push()
    onboard(errand(checkout))
    (pull,) = pulls(checkout)
    (row,) = [line for line in pull["body"].splitlines() if line.startswith("| `title`")]
    assert row == "| `title` | a\\|b @\u200boctocat #\u200b1 | server.json |"
    assert "@octocat" not in pull["body"].replace("`'¦@octocat.py`", "")


def test_doing_it_again_changes_nothing(dice: Checkout) -> None:
    first = onboard(errand(dice))
    assert onboard(errand(dice)) == first
    assert len(pulls(dice)) == 1
    assert len(dice.api("GET", f"/commits?sha={BRANCH}")) == 3


@pytest.mark.parametrize(
    ("method", "path", "applied"),
    [
        ("POST", "/repos/{owner}/{repo}/git/refs", True),
        ("PUT", "/repos/{owner}/{repo}/contents/{path}", False),
        ("PUT", "/repos/{owner}/{repo}/contents/{path}", True),
        ("POST", "/repos/{owner}/{repo}/pulls", True),
    ],
)
def test_after_a_lost_answer_nothing_is_doubled(
    dice: Checkout, method: str, path: str, applied: bool
) -> None:
    dice.github.fail(method, path, "reset", applied=applied)
    with pytest.raises(GitHubAway):
        onboard(errand(dice))
    dice.commit({"late.txt": "The default branch has moved on."})
    dice.push()

    onboard(errand(dice, attempts=2))

    (pull,) = pulls(dice)
    assert settled(dice)[0] == "open"
    files = dice.api("GET", f"/pulls/{pull['number']}/files")
    assert [one["filename"] for one in files] == ["mcp.yaml"]
    assert dice.api("GET", f"/pulls/{pull['number']}")["commits"] == 1


def test_workers_at_the_same_moment_make_one_pull_request(dice: Checkout) -> None:
    taken = errand(dice, attempts=3)
    with ThreadPoolExecutor(3) as workers:
        answers = list(workers.map(onboard, [taken] * 3))
    (pull,) = pulls(dice)
    assert {done.reason for done in answers} == {
        f"pull request #{pull['number']} proposes an mcp.yaml"
    }
    assert settled(dice)[0] == "open"
    assert dice.api("GET", f"/pulls/{pull['number']}")["commits"] == 1


def test_a_new_repository_comes_from_its_first_look_to_its_pull_request(dice: Checkout) -> None:
    with transaction() as connection:
        look = table.ask(connection, "first_look", repository_id=errand(dice).repository.id)
    looked = table.work(look)
    assert looked is not None
    (offer,) = looked.errand_ids
    table.work(offer)
    (pull,) = pulls(dice)

    dice.close(pull["number"])
    with transaction() as connection:
        carry_out(connection, closing(dice, pull), delivery_id=1)
    assert settled(dice) == ("declined", "closed without merging")

    # Removed from the installation and added again.
    with transaction() as connection:
        again = table.ask(connection, "first_look", repository_id=errand(dice).repository.id)
    looked = table.work(again)
    assert looked is not None
    assert (looked.reason, looked.errand_ids) == ("main has no mcp.yaml", ())


def closing(checkout: Checkout, pull: dict[str, Any]) -> PullRequestChanged:
    """What the event of the closed pull request is read as."""
    repository = errand(checkout).repository
    return PullRequestChanged(
        installation=repository.installation_id,
        account=Account(1, repository.owner),
        repository=RepositoryRef(repository.id, repository.owner, repository.name, False, "main"),
        number=pull["number"],
        head_sha=pull["head"]["sha"],
        head_ref=pull["head"]["ref"],
        head_repository=checkout.full_name,
        fork=False,
        base_ref="main",
        author=pull["user"]["login"],
        draft=False,
        state="closed",
        merged=False,
    )


def test_closing_it_is_an_answer_for_ever(dice: Checkout) -> None:
    onboard(errand(dice))
    (pull,) = pulls(dice)
    dice.close(pull["number"])
    closed(dice, pull["number"], merged=False)
    assert settled(dice) == ("declined", "closed without merging")
    assert not wanted(dice)
    onboard(errand(dice))
    assert len(pulls(dice)) == 1


def test_no_is_respected_even_where_this_database_knows_nothing_of_it(dice: Checkout) -> None:
    onboard(errand(dice))
    (pull,) = pulls(dice)
    dice.close(pull["number"])
    dice.api("DELETE", f"/git/refs/heads/{BRANCH}")
    with transaction() as connection:
        connection.execute("DELETE FROM onboardings")

    onboard(errand(dice))

    assert len(pulls(dice)) == 1
    assert settled(dice) == (
        "declined",
        f"pull request #{pull['number']} was closed without merging",
    )


def test_opened_again_it_is_open_and_merged_it_is_done(dice: Checkout) -> None:
    onboard(errand(dice))
    (pull,) = pulls(dice)
    closed(dice, pull["number"], merged=False)
    closed(dice, pull["number"], merged=None)
    assert settled(dice) == ("open", None)
    dice.merge(pull["number"])
    closed(dice, pull["number"], merged=True)
    assert settled(dice) == ("merged", "merged")
    # Whatever comes late or again.
    closed(dice, pull["number"], merged=False)
    closed(dice, pull["number"], merged=None)
    assert settled(dice) == ("merged", "merged")
    assert not wanted(dice)


def test_another_pull_request_says_nothing(dice: Checkout) -> None:
    onboard(errand(dice))
    (pull,) = pulls(dice)
    closed(dice, pull["number"] + 1, merged=False)
    assert settled(dice)[0] == "open"


def test_people_may_be_faster_than_the_answer(dice: Checkout) -> None:
    number = 1
    repository = errand(dice).repository
    with transaction() as connection:
        connection.execute(
            """INSERT INTO pull_requests
                 (repository_id, number, head_sha, head_ref, fork, base_ref, author, state)
               VALUES (%s, %s, %s, %s, false, 'main', 'sigil[bot]', 'closed')""",
            (repository.id, number, "0" * 40, BRANCH),
        )
    onboard(errand(dice))
    assert settled(dice) == ("declined", "closed without merging")


def test_what_is_no_server_gets_none_and_the_reason_is_kept(checkout: Checkout) -> None:
    done = onboard(errand(checkout))
    assert settled(checkout) == ("not_needed", done.reason)
    assert done.reason.startswith("No MCP server was found")
    assert pulls(checkout) == []
    assert wanted(checkout)


def test_a_file_that_came_meanwhile_is_enough(dice: Checkout) -> None:
    dice.commit({"mcp.yaml": "schema: 1\n"})
    dice.push()
    assert onboard(errand(dice)).reason == "main has an mcp.yaml"
    assert settled(dice)[0] == "not_needed"
    assert pulls(dice) == []


def test_an_archived_repository_is_left_alone(dice: Checkout) -> None:
    dice.api("PATCH", "", json={"archived": True})
    assert onboard(errand(dice)).reason == "archived"
    assert settled(dice)[0] == "not_needed"


def test_an_empty_repository_is_left_alone(checkout: Checkout) -> None:
    empty = api(checkout.github, "POST", "/user/repos", json={"name": "empty"})
    with transaction() as connection:
        connection.execute("UPDATE repositories SET id = %s, name = 'empty'", (empty["id"],))
    assert onboard(errand(checkout)).reason == "the repository is empty"


def test_a_branch_of_somebody_else_is_left_alone(dice: Checkout) -> None:
    dice.branch(BRANCH)
    dice.commit({"theirs.txt": "x"})
    dice.push(BRANCH)
    onboard(errand(dice))
    assert settled(dice) == ("impossible", f"there is a branch {BRANCH} with other commits")
    assert pulls(dice) == []


def test_switched_off_nothing_is_asked(dice: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIGIL_ONBOARDING", "false")
    settings.cache_clear()
    assert not wanted(dice)
    onboard(errand(dice))
    assert state(dice) is None
    assert pulls(dice) == []


@pytest.mark.parametrize("permission", ["pull_requests", "contents"])
def test_a_missing_permission_is_named_when_it_stays_missing(
    dice: Checkout, permission: str
) -> None:
    (installation,) = dice.github.world.installations.values()
    installation.permissions[permission] = "read"
    with pytest.raises(GitHubRefused):
        onboard(errand(dice))
    assert settled(dice) == ("wanted", None)

    onboard(errand(dice, attempts=3))

    found, reason = settled(dice)
    assert found == "impossible"
    assert reason is not None
    assert f"`{permission}: write`" in reason
    assert wanted(dice)

    installation.permissions[permission] = "write"
    with transaction() as connection:
        granted = PermissionsGranted(installation.id, installation.permissions)
        (again,) = carry_out(connection, granted, delivery_id=2).errand_ids
    table.work(again)
    assert settled(dice)[0] == "open"


def test_the_files_of_a_repository_cost_a_bounded_number_of_requests(checkout: Checkout) -> None:
    many = {f"package_{number}/server.py": "import os\n" for number in range(120)}
    many |= {f"package_{number}/package.json": "{}" for number in range(120)}
    checkout.commit({**many, "link.py": "x"})
    checkout.push()
    traffic = checkout.github.traffic.path
    before = len(traffic.read_text().splitlines())
    onboard(errand(checkout))
    assert len(traffic.read_text().splitlines()) - before < 80
