"""What people do at GitHub besides pushing to the default branch, and what they see come of it."""

from typing import Any

import pytest
import requests

from tests.github_fixture import Checkout, Person
from tests.polling import eventually
from tests.stack_fixture import System, plain

pytestmark = pytest.mark.faults

# What no event told of is looked for after seconds instead of an hour.
SETTINGS = {"SIGIL_RECOVERY_INTERVAL": "10"}

# What no event told of is looked for after seconds instead of an hour.
SETTINGS = {"SIGIL_RECOVERY_INTERVAL": "10"}

TOOLS = '"name": "echo",'
MORE_TOOLS = """"name": "shout",
        "description": "Says it loudly",
        "inputSchema": {"type": "object"},
    },
    {
        "name": "echo","""


def files(name: str, *, version: str = "0.1.0", **more: str) -> dict[str, str | bytes]:
    """The plain server as a package of that name and version."""
    made = plain(name)
    manifest = str(made["mcp.yaml"]).replace("version: 0.1.0", f"version: {version}")
    return made | {"mcp.yaml": manifest + more.pop("manifest", "")} | more


def with_tool(name: str) -> str:
    """Its source with one tool more."""
    return str(plain(name)["server.py"]).replace(TOOLS, MORE_TOOLS)


def live(system: System, name: str, environment: str) -> str | None:
    """The commit that serves in an environment of a repository."""
    rows = system.rows(
        """SELECT u.sha FROM mcp_deployments d JOIN runs u ON u.id = d.run_id
           JOIN repositories r ON r.id = d.repository_id
           WHERE r.name = %s AND d.environment = %s AND d.state = 'live'""",
        name,
        environment,
    )
    return rows[0][0] if rows else None


def deployed(system: System, name: str, **how: Any) -> tuple[Checkout, str]:
    """A repository whose first commit serves in production."""
    checkout = system.repository(name)
    sha = checkout.commit(files(name, **how))
    checkout.push()
    run = system.finished(sha)
    assert run["state"] == "succeeded", system.log(run["id"])
    return checkout, sha


def press(system: System, check: dict[str, Any], identifier: str) -> None:
    """Press a button that the check shows, as the owner."""
    url = f"{system.github.url}/_sandbox/check-runs/{check['id']}/actions/{identifier}"
    answer = requests.post(url, json={}, timeout=30)
    assert answer.status_code == 202, answer.text


def the_check(system: System, checkout: Checkout, sha: str, *, saying: str = "") -> dict[str, Any]:
    """The newest check run of a commit, once it is completed and says something."""

    def newest() -> dict[str, Any] | None:
        checks = checkout.checks(sha)
        if not checks or checks[-1]["status"] != "completed":
            return None
        said = f"{checks[-1]['output']['title']}\n{checks[-1]['output']['summary']}"
        return checks[-1] if saying in said else None

    found = eventually(newest, seconds=120)
    assert found is not None
    return found


def deployments(checkout: Checkout, environment: str) -> list[tuple[str, str]]:
    """Commit and newest state of each deployment to an environment, newest first."""
    found = []
    listed = checkout.api("GET", "/deployments", params={"environment": environment})
    for deployment in listed:
        try:
            statuses = checkout.api("GET", f"/deployments/{deployment['id']}/statuses")
        except requests.HTTPError as error:
            if error.response.status_code != 404:
                raise
            statuses = [{"state": "deleted"}]  # Between the two questions.
        found.append((deployment["sha"], statuses[0]["state"] if statuses else "none"))
    return found


def our_comments(checkout: Checkout, number: int) -> list[str]:
    """What Sigil wrote under a pull request."""
    return [
        comment["body"] for comment in checkout.comments(number) if comment["user"]["type"] == "Bot"
    ]


def test_a_pull_request_gets_a_preview_that_ends_with_it(system: System) -> None:
    checkout, first = deployed(system, "previewed")
    checkout.branch("shout")
    sha = checkout.commit({"server.py": with_tool("previewed")})
    number = checkout.pull("Let it shout")
    check = the_check(system, checkout, sha, saying="shout")
    assert (check["conclusion"], check["name"]) == ("success", "Sigil / preview")
    environment = f"preview/pr-{number}"
    assert live(system, "previewed", environment) == sha
    assert live(system, "previewed", "production") == first
    (comment,) = eventually(lambda: our_comments(checkout, number))
    assert "shout" in comment
    eventually(lambda: deployments(checkout, environment) == [(sha, "success")])
    (deployment,) = checkout.api("GET", "/deployments", params={"environment": environment})
    (status, *_) = checkout.api("GET", f"/deployments/{deployment['id']}/statuses")
    assert status["environment_url"] in check["output"]["summary"]
    assert requests.post(status["environment_url"], json={}, timeout=10).status_code < 500

    second = checkout.commit({"README.md": "It shouts."})
    checkout.push("HEAD:shout")
    the_check(system, checkout, second, saying="preview")
    eventually(lambda: live(system, "previewed", environment) == second)
    assert len(our_comments(checkout, number)) == 1

    checkout.close(number)
    eventually(lambda: deployments(checkout, environment) == [])
    eventually(lambda: live(system, "previewed", environment) is None)
    eventually(lambda: not answers(status["environment_url"]))
    eventually(lambda: "preview" not in system.live_servers())
    assert live(system, "previewed", "production") == first


def answers(url: str) -> bool:
    try:
        requests.post(url, json={}, timeout=5)
    except requests.ConnectionError:
        return False
    return True


def test_a_fork_is_only_checked_until_exactly_its_commit_is_approved(system: System) -> None:
    checkout, _ = deployed(system, "forked")
    stranger = checkout.make_user("stranger")
    fork = checkout.fork(stranger)
    fork.branch("gift")
    sha = fork.commit({"server.py": with_tool("forked")})
    number = fork.pull("A gift")
    check = the_check(system, checkout, sha, saying="/sigil approve")
    environment = f"preview/pr-{number}"
    assert live(system, "forked", environment) is None
    assert deployments(checkout, environment) == []
    assert sorted(row[0] for row in stages(system, sha)) == ["build", "manifest", "source"]

    approve(checkout, number, sha, stranger)
    (refusal,) = eventually(lambda: refusals(checkout, number))
    assert "@stranger" in refusal
    approve(checkout, number, sha, stranger)
    eventually(lambda: len(done_commands(system)) >= 2)
    assert refusals(checkout, number) == [refusal], "one refusal is enough"
    assert live(system, "forked", environment) is None

    press(system, check, "approve")
    eventually(lambda: live(system, "forked", environment) == sha, seconds=120)

    newer = fork.commit({"README.md": "More."})
    fork.push("HEAD:gift")
    the_check(system, checkout, newer, saying="/sigil approve")
    assert live(system, "forked", environment) == sha
    checkout.comment(number, f"/sigil approve {newer[:10]}")
    eventually(
        lambda: any(f"/sigil approve {newer}" in said for said in answered(checkout, number))
    )
    checkout.comment(number, f"Looks good.\n\n/sigil approve {newer}")
    eventually(lambda: live(system, "forked", environment) == newer, seconds=120)


def approve(checkout: Checkout, number: int, sha: str, person: Person) -> None:
    checkout.comment(number, f"/sigil approve {sha}", person)


def refusals(checkout: Checkout, number: int) -> list[str]:
    return [said for said in our_comments(checkout, number) if "sigil:refused" in said]


def answered(checkout: Checkout, number: int) -> list[str]:
    return [said for said in our_comments(checkout, number) if "sigil:answer" in said]


def stages(system: System, sha: str) -> list[tuple[Any, ...]]:
    return system.rows(
        "SELECT s.stage FROM run_stages s JOIN runs r ON r.id = s.run_id WHERE r.sha = %s", sha
    )


def done_commands(system: System) -> list[tuple[Any, ...]]:
    return system.rows("SELECT id FROM errands WHERE kind = 'command' AND state = 'done'")


def test_a_release_brings_the_image_that_was_built_for_its_commit(system: System) -> None:
    checkout, sha = deployed(system, "released", version="1.2.0")
    checkout.api("POST", "/releases", json={"tag_name": "v1.2.0", "target_commitish": "main"})
    eventually(lambda: kinds(system, sha) == [("deploy", "succeeded"), ("release", "succeeded")])
    digests = system.rows(
        """SELECT DISTINCT s.result -> 'artifact' ->> 'digest', s.result ->> 'built_by' IS NULL
           FROM run_stages s JOIN runs r ON r.id = s.run_id
           WHERE r.sha = %s AND s.stage = 'build'""",
        sha,
    )
    assert len({row[0] for row in digests}) == 1
    assert sorted(row[1] for row in digests) == [False, True], "built once"
    checkout.git("tag", "v1.3.0")
    checkout.push("v1.3.0")
    check = the_check(system, checkout, sha, saying="v1.3.0")
    assert check["conclusion"] == "failure"
    assert "1.2.0" in check["output"]["title"]
    checkout.api(
        "POST",
        "/releases",
        json={"tag_name": "v1.2.0-rc.1", "target_commitish": "main", "prerelease": True},
    )
    eventually(lambda: ("staging", "failed") in environments(system, sha))


def kinds(system: System, sha: str) -> list[tuple[Any, ...]]:
    return system.rows("SELECT kind, state FROM runs WHERE sha = %s ORDER BY id", sha)


def environments(system: System, sha: str) -> list[tuple[Any, ...]]:
    return system.rows("SELECT environment, state FROM runs WHERE sha = %s ORDER BY id", sha)


def test_the_button_rolls_back_and_the_checks_say_so(system: System) -> None:
    checkout, good = deployed(system, "rolled-back")
    bad = checkout.commit({"server.py": with_tool("rolled-back")})
    checkout.push()
    assert system.finished(bad)["state"] == "succeeded"
    check = the_check(system, checkout, bad, saying="live")
    eventually(lambda: "Roll back" in checkout_actions(system, bad))
    press(system, check, "rollback")
    eventually(lambda: live(system, "rolled-back", "production") == good, seconds=120)
    the_check(system, checkout, bad, saying=f"Rolled back to {good[:7]}")
    the_check(system, checkout, good, saying="is back at")
    eventually(lambda: "Roll back" not in checkout_actions(system, bad))
    eventually(lambda: deployments(checkout, "production")[0] == (good, "success"))
    assert (bad, "success") not in deployments(checkout, "production")


def checkout_actions(system: System, sha: str) -> str:
    """The buttons that GitHub's page of a commit's checks shows, as text."""
    ((number, name),) = system.rows(
        """SELECT u.check_run_id, r.owner || '/' || r.name FROM runs u
           JOIN repositories r ON r.id = u.repository_id WHERE u.sha = %s ORDER BY u.id LIMIT 1""",
        sha,
    )
    return requests.get(f"{system.github.url}/{name}/runs/{number}", timeout=30).text


def test_a_broken_version_never_replaces_what_serves(system: System) -> None:
    checkout, good = deployed(system, "broken")
    bad = checkout.commit({"server.py": "raise SystemExit('no')"})
    checkout.push()
    check = the_check(system, checkout, bad, saying=good[:7])
    assert check["conclusion"] == "failure"
    assert live(system, "broken", "production") == good
    eventually(lambda: (bad, "failure") in deployments(checkout, "production"))
    eventually(lambda: (good, "success") in deployments(checkout, "production"))


def test_a_breaking_change_can_be_blocked(system: System) -> None:
    block = "deploy: {breaking: block}\n"
    checkout, good = deployed(system, "blocked", manifest=block)
    renamed = str(plain("blocked")["server.py"]).replace('"name": "echo"', '"name": "repeat"')
    bad = checkout.commit({"server.py": renamed})
    checkout.push()
    check = the_check(system, checkout, bad, saying="tool-removed")
    assert check["conclusion"] == "failure"
    assert live(system, "blocked", "production") == good


def test_what_asks_to_be_skipped_is_skipped_and_says_why(system: System) -> None:
    paths = 'deploy: {paths: ["server.py", "mcp.yaml"]}\n'
    checkout, good = deployed(system, "skipped", manifest=paths)
    by_message = checkout.commit({"server.py": with_tool("skipped")}, "Later [skip sigil]")
    checkout.push()
    by_path = checkout.commit({"README.md": "Words."})
    checkout.push()
    for sha, why in ((by_message, "message"), (by_path, "deploy.paths")):
        check = the_check(system, checkout, sha, saying=why)
        assert check["conclusion"] == "neutral"
    assert live(system, "skipped", "production") == good
    press(system, the_check(system, checkout, by_message), "retry")
    eventually(lambda: live(system, "skipped", "production") == by_message, seconds=120)


def test_a_repository_without_a_manifest_is_offered_one_once(system: System) -> None:
    checkout = system.repository("offered")
    checkout.commit(
        {
            "pyproject.toml": '[project]\nname = "offered"\nversion = "0.3.0"\n'
            'description = "Says it again"\n'
            'dependencies = ["mcp>=1.10,<2"]\n'
            '[project.scripts]\noffered = "offered:main"\n'
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
            '[tool.setuptools]\npy-modules = ["offered"]\n',
            "offered.py": "from mcp.server.fastmcp import FastMCP\n\n"
            'server = FastMCP("offered")\n\n\n@server.tool()\ndef echo(text: str) -> str:\n'
            '    "Say it again"\n    return text\n\n\ndef main() -> None:\n    server.run()\n',
        }
    )
    checkout.push()
    (pull,) = eventually(lambda: checkout.api("GET", "/pulls"), seconds=60)
    content = checkout.api("GET", "/contents/mcp.yaml", params={"ref": pull["head"]["ref"]})
    assert content["type"] == "file"
    check = the_check(system, checkout, pull["head"]["sha"], saying="echo")
    assert check["conclusion"] == "success"
    checkout.merge(pull["number"])
    eventually(lambda: live(system, "offered", "production") is not None, seconds=120)


def test_a_renamed_repository_goes_on_under_its_new_name(system: System) -> None:
    checkout, _ = deployed(system, "before")
    checkout.api("PATCH", "", json={"name": "after"})
    checkout.name = "after"
    eventually(lambda: system.rows("SELECT 1 FROM repositories WHERE name = 'after'"))
    sha = checkout.commit({"README.md": "Renamed."})
    checkout.git("remote", "set-url", "origin", system.github.git_url("octocat/after"))
    checkout.push()
    the_check(system, checkout, sha, saying="live")
    assert live(system, "after", "production") == sha
    listed = requests.get(
        f"{system.config.web_url}/runs.json?repository=octocat/before", timeout=30
    ).json()
    assert {run["repository"] for run in listed["runs"]} == {"octocat/after"}


def test_everything_converges_after_the_receiver_was_away(system: System) -> None:
    pushed, _ = deployed(system, "away-pushed")
    released, tagged = deployed(system, "away-released", version="2.0.0")
    closed, _ = deployed(system, "away-closed")
    closed.branch("topic")
    preview = closed.commit({"README.md": "Soon."})
    number = closed.pull()
    the_check(system, closed, preview, saying="preview")
    system.stack.processes.stop("web")
    heads = []
    for text in ("1", "2", "3"):
        heads.append(pushed.commit({"a.txt": text}))
        pushed.push()
    released.api("POST", "/releases", json={"tag_name": "v2.0.0", "target_commitish": "main"})
    closed.close(number)
    late = system.repository("away-new")
    first = late.commit(files("away-new"))
    late.push()
    eventually(system.github.has_sent_all)
    system.stack.processes.start("web")
    eventually(lambda: live(system, "away-pushed", "production") == heads[-1], seconds=180)
    eventually(lambda: ("release", "succeeded") in kinds(system, tagged), seconds=120)
    eventually(lambda: deployments(closed, f"preview/pr-{number}") == [], seconds=120)
    eventually(lambda: live(system, "away-new", "production") == first, seconds=120)
    eventually(lambda: system.rows("SELECT 1 FROM runs WHERE state IN ('queued','running')") == [])
    # The reports may be on their way, or held back for a moment by the pace of writing.
    eventually(
        lambda: all(check["status"] == "completed" for sha in heads for check in pushed.checks(sha))
    )
