"""The face for people, and the stand-in as a process of its own."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from sandbox.github import GitHubStandIn
from tests.polling import eventually
from tests.sandbox.github.visitors import Receiver, Tree, Visitor

ROOT = Path(__file__).parents[3]


@pytest.fixture
def browser(github: GitHubStandIn) -> Visitor:
    """Somebody with a browser and no token."""
    return Visitor(github, None)


def test_a_person_creates_a_repository_installs_the_app_and_removes_it(
    browser: Visitor, github: GitHubStandIn, receiver: Receiver
) -> None:
    page = browser("POST", "/new", data={"name": "my server"})
    assert "git push -u origin main" in page.text
    assert "Install Sigil" in browser("GET", "/").text
    choice = browser("GET", "/apps/sigil/installations/new").text
    assert 'value="octocat/my-server"' in choice
    installed = browser(
        "POST", "/apps/sigil/installations/new", data={"repository": "octocat/my-server"}
    )
    assert "Sigil on octocat" in installed.text
    assert "Sigil installed" in browser("GET", "/").text
    assert "suspended" in browser("POST", f"{installed.url}/suspend").text
    browser("POST", f"{installed.url}/uninstall")
    assert "Sigil installed" not in browser("GET", "/").text
    eventually(github.hooks.idle)
    assert receiver.names() == [
        "installation.created",
        "installation.suspend",
        "installation.deleted",
    ]


def test_a_check_run_shows_its_report_and_can_be_run_again(
    browser: Visitor, installed: Visitor, tree: Tree, receiver: Receiver, github: GitHubStandIn
) -> None:
    sha = tree.commit("Begin <b>", mcp_yaml="schema: 1\n")
    tree.push("main")
    output = {
        "title": "Manifest",
        "summary": "| stage | state |\n|---|---|\n| build | **bad** |\n\n<script>x</script>",
        "annotations": [
            {
                "path": "mcp_yaml",
                "start_line": 1,
                "end_line": 1,
                "annotation_level": "failure",
                "message": "name is missing",
            }
        ],
    }
    action = {"label": "Retry", "description": "Again", "identifier": "retry"}
    run = installed(
        "POST",
        "/repos/octocat/weather/check-runs",
        {
            "name": "Sigil",
            "head_sha": sha,
            "conclusion": "failure",
            "output": output,
            "actions": [action],
        },
    ).json()
    page = browser("GET", run["html_url"])
    assert "<td><strong>bad</strong></td>" in page.text
    assert "<script>x" not in page.text
    assert "name is missing" in page.text
    assert "Begin &lt;b&gt;" in browser("GET", "/octocat/weather").text
    assert "Sigil" in browser("GET", f"/octocat/weather/commit/{sha}").text
    assert browser("POST", run["html_url"] + "/rerequest").status_code == 200
    assert browser("POST", run["html_url"] + "/actions/retry").status_code == 200
    assert browser("POST", run["html_url"] + "/actions/other").status_code == 404
    eventually(github.hooks.idle)
    assert receiver.names()[-2:] == ["check_run.rerequested", "check_run.requested_action"]
    event = receiver.payloads("check_run.requested_action")[0]
    assert event["requested_action"] == {"identifier": "retry"}
    assert event["sender"]["login"] == "octocat"


def test_a_file_is_never_served_as_html(browser: Visitor, tree: Tree) -> None:
    tree.commit(page="<script>alert(1)</script>")
    tree.push("main")
    answer = browser("GET", "/octocat/weather/raw/main/page")
    assert answer.headers["Content-Type"].startswith("text/plain")


def test_what_is_not_there_is_not_found(browser: Visitor, repository: str) -> None:
    for path in ("/octocat/no", f"/{repository}/runs/1", "/settings/installations/1", "/a/b/c"):
        assert browser("GET", path).status_code == 404


def test_it_runs_as_a_process_and_leaves_nothing_behind(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("a-webhook-secret-for-tests\n")
    folder = tmp_path / "github"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "sandbox.github", "--port", "0"),
            *("--folder", str(folder), "--webhook-secret-file", str(secret)),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        facts = folder / "github.json"
        eventually(facts.exists)
        told = json.loads(facts.read_text())
        assert facts.stat().st_mode & 0o077 == 0
        assert Path(told["private_key_file"]).read_text().startswith("-----BEGIN RSA PRIVATE KEY")
        answer = requests.get(
            f"{told['url']}/user", headers={"Authorization": f"token {told['token']}"}, timeout=30
        )
        assert answer.json()["login"] == told["login"]
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told["url"] in output


def test_a_taken_port_is_named(github: GitHubStandIn, tmp_path: Path) -> None:
    port = github.url.rpartition(":")[2]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sandbox.github", "--port", port),
            *("--folder", str(tmp_path / "second")),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert port in done.stderr
