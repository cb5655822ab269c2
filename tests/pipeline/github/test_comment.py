"""The one comment under a pull request: its words (pure), and what the stand-in has of it."""

from dataclasses import replace
from typing import Any

import pytest

from config.database import transaction
from pipeline import pull_requests, runs
from pipeline.github.client import speaking
from pipeline.github.comment import say_farewell
from pipeline.github.comment_text import MARKER, comment_body, farewell
from pipeline.github.view import RunView
from tests.github_fixture import Checkout
from tests.pipeline.github import driven_runs as driven
from tests.pipeline.github.report_views import (
    BEFORE,
    FORK,
    FORK_CHECK,
    LIVE_STAGES,
    PREVIEW,
    PULL,
    RUN,
    failed,
    live,
    stage,
    view,
)

COMMENTS = "/repos/{owner}/{repo}/issues/{issue_number}/comments"
COMMENT = "/repos/{owner}/{repo}/issues/comments/{comment_id}"


def body(told: RunView, *, exists: bool = False) -> str:
    text = comment_body(told, exists=exists, check="http://github.example/runs/3")
    assert text is not None
    assert text.startswith(MARKER)
    return text


def test_a_live_preview_has_address_snippet_and_links() -> None:
    text = body(live(PREVIEW, pull=PULL))
    assert "**Preview at** http://h:1/mcp" in text
    assert '"url": "http://h:1/mcp"' in text
    assert "[The check](http://github.example/runs/3)" in text
    assert "http://sigil.example/runs/12" in text
    assert "`/sigil help`" in text


def test_a_failed_preview_says_what_still_serves() -> None:
    text = body(view(failed("No.", run=PREVIEW), pull=PULL, serving=BEFORE))
    assert "There is no preview of" in text
    assert "(1.3.0) still serves at http://h:9/mcp" in text
    assert "Preview at" not in text


def test_a_fork_that_builds_is_told_how_it_gets_a_preview() -> None:
    assert f"`/sigil approve {'a' * 40}`" in body(view(FORK_CHECK, pull=FORK))


@pytest.mark.parametrize(
    "told",
    [
        view(replace(PREVIEW, state="queued"), pull=PULL),
        view(PREVIEW, pull=PULL),
        *(
            view(replace(PREVIEW, state=state), pull=PULL)
            for state in ("skipped", "cancelled", "superseded")
        ),
        view(failed("No.", run=replace(FORK_CHECK, error=None)), pull=FORK),
        view(replace(FORK_CHECK, trusted=True), pull=PULL),
        live(RUN),
    ],
)
def test_where_there_is_nothing_to_say_nothing_is_said(told: RunView) -> None:
    assert comment_body(told, exists=False) is None


def test_a_comment_that_is_there_is_kept_true() -> None:
    assert "does not pass" in body(view(failed("No.", run=FORK_CHECK), pull=FORK), exists=True)
    approved = view(FORK_CHECK, pull=FORK, approved_by="mona")
    assert "mona approved" in body(approved, exists=True)


def test_hostile_words_stay_words_in_a_comment() -> None:
    title = "No file `x`|<img src=x onerror=alert(1)> @octocat #12 https://github.com/o/r/issues/1"
    run = replace(failed("No.", run=PREVIEW), title=title)
    text = body(view(run, pull=PULL, serving=replace(BEFORE, version="1\n| <b>@octocat")))
    for sign in ("<img", "<b>", "@octocat", "#12", "https://github.com/o"):
        assert sign not in text.replace("\\<", "").replace("<!--", "")
    assert "\n|" not in text


def test_a_preview_that_was_blocked_shows_what_breaks() -> None:
    run = replace(
        failed("### 1 tool removed", run=PREVIEW), title="A breaking change: tool-removed"
    )
    assert "### 1 tool removed" in body(view(run, pull=PULL))
    assert "### 1 tool removed" not in body(view(replace(run, title="No"), pull=PULL))


def test_a_long_comment_keeps_githubs_limit() -> None:
    package = {"package": "io.github.octo/" + "p" * 70_000, "url": "http://h:1/mcp"}
    told = replace(
        live(PREVIEW, pull=PULL), stages=(*LIVE_STAGES[:2], stage("publish", "succeeded", package))
    )
    assert len(body(told)) < 65_536


def _opened(checkout: Checkout) -> tuple[int, str]:
    checkout.branch("topic")
    sha = checkout.commit({"a.txt": "a"})
    number = checkout.pull()
    driven.record_pull(number, sha)
    return number, sha


def _comment(checkout: Checkout, number: int) -> dict[str, Any]:
    (comment,) = checkout.comments(number)
    return comment


def _next(checkout: Checkout, number: int) -> str:
    sha = checkout.commit({"a.txt": f"{number} again"})
    checkout.push("topic")
    driven.record_pull(number, sha)
    return sha


def test_one_comment_is_updated_in_place_until_the_pull_request_is_closed(
    checkout: Checkout,
) -> None:
    number, sha = _opened(checkout)
    first = driven.for_pull(sha, number)
    driven.settle(first)
    assert checkout.comments(number) == [], "a queued run is not worth a comment"
    url = driven.serve(first)
    driven.settle(first)
    comment = _comment(checkout, number)
    assert url in comment["body"]
    assert comment["user"]["login"] == "sigil[bot]"

    second = driven.for_pull(_next(checkout, number), number)
    driven.settle(second)
    assert _comment(checkout, number)["body"] == comment["body"]
    driven.fail(second)
    driven.settle(second)
    newer = _comment(checkout, number)
    assert newer["id"] == comment["id"]
    assert f"The preview of [`{sha[:7]}`]" in newer["body"]

    with transaction() as connection:
        connection.execute("UPDATE runs SET revision = revision + 1")
    before = len(driven.calls(checkout))
    driven.settle(first, second)
    assert not [call for call in driven.calls(checkout)[before:] if "comments" in call]

    _is_closed(checkout, number, second)


def _is_closed(checkout: Checkout, number: int, run: Any) -> None:
    pull = driven.record_pull(number, run.sha, state="closed", merged=True)
    repository = _repository()
    for _ in range(2):
        with speaking(repository.installation_id) as github:
            say_farewell(github, repository, pull)
    assert _comment(checkout, number)["body"] == farewell(pull)
    assert "was merged, and its preview is gone" in farewell(pull)
    with transaction() as connection:
        connection.execute("UPDATE runs SET revision = revision + 1")
    driven.settle(run)
    assert _comment(checkout, number)["body"] == farewell(pull)


def _repository() -> runs.Repository:
    with transaction() as connection:
        found = runs.repository(connection, driven.repository_id())
    assert found is not None
    return found


def test_a_comment_that_somebody_deleted_is_written_once_more(checkout: Checkout) -> None:
    number, sha = _opened(checkout)
    first = driven.for_pull(sha, number)
    driven.serve(first)
    driven.settle(first)
    checkout.api("DELETE", f"/issues/comments/{_comment(checkout, number)['id']}")
    with transaction() as connection:
        connection.execute("UPDATE runs SET revision = revision + 1")
    driven.settle(first)
    assert checkout.comments(number) == [], "what it said is known already"
    second = driven.for_pull(_next(checkout, number), number)
    driven.serve(second)
    driven.settle(second)
    assert second.sha[:7] in _comment(checkout, number)["body"]


@pytest.mark.parametrize("fault", ["reset", "truncated"])
def test_a_comment_whose_answer_was_lost_is_not_written_twice(
    checkout: Checkout, fault: Any
) -> None:
    number, sha = _opened(checkout)
    # Anybody may write the marker: it counts only in the App's own comments.
    checkout.comment(number, f"{MARKER}\nI am the preview.")
    run = driven.for_pull(sha, number)
    driven.serve(run)
    checkout.github.fail("POST", COMMENTS, fault, applied=True)
    driven.settle(run)
    theirs, ours = checkout.comments(number)
    assert theirs["body"] == f"{MARKER}\nI am the preview."
    assert ours["user"]["login"] == "sigil[bot]"


def test_an_older_run_does_not_overwrite_what_the_newest_says(checkout: Checkout) -> None:
    number, sha = _opened(checkout)
    old = driven.for_pull(sha, number)
    driven.serve(old)
    new = driven.for_pull(_next(checkout, number), number)
    driven.serve(new)
    driven.settle(new)
    driven.settle(old)
    assert f"commit/{new.sha}" in _comment(checkout, number)["body"]


def test_a_locked_conversation_does_not_hold_up_the_report(checkout: Checkout) -> None:
    number, sha = _opened(checkout)
    run = driven.for_pull(sha, number)
    driven.serve(run)
    checkout.github.fail("POST", COMMENTS, "status", status=403, times=None)
    driven.settle(run)
    assert "comments" in driven.column(run, "report_error")
    (check,) = checkout.checks(sha)
    assert check["conclusion"] == "success"


def test_a_forks_way_from_approval_to_preview_is_one_comment(checkout: Checkout) -> None:
    number, sha = _opened(checkout)
    pull = driven.record_pull(number, sha, fork=True, head_repository="mona/weather")
    checked = driven.for_pull(sha, number, "check", trusted=False)
    driven.check(checked)
    driven.settle(checked)
    first = _comment(checkout, number)
    assert f"/sigil approve {sha}" in first["body"]
    with transaction() as connection:
        pull_requests.approve(connection, pull, sha, by="octocat")
        connection.execute("UPDATE runs SET revision = revision + 1")
    driven.settle(checked)
    assert "octocat approved" in _comment(checkout, number)["body"]
    run = driven.for_pull(sha, number)
    url = driven.serve(run)
    driven.settle(run)
    last = _comment(checkout, number)
    assert (last["id"], url in last["body"]) == (first["id"], True)
    assert [check["conclusion"] for check in checkout.checks(sha)] == ["success", "success"]
