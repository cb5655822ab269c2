"""The release run of a tag, or of a release."""

from typing import Any

import pytest

from pipeline.errands import table
from tests.pipeline.errands.desk import Desk, made, manifest, rows, run_of


def tag(desk: Desk, name: str, *, deploy: str = "", annotated: bool = False) -> str:
    """Tag a commit of its own; return the commit."""
    sha = desk.push({"mcp.yaml": manifest(deploy)})
    desk.checkout.git("tag", *(("-a", "-m", name) if annotated else ()), name)
    desk.checkout.push(name)
    return sha


def release(desk: Desk, name: str, **more: Any) -> None:
    desk.owner("POST", f"{desk.path}/releases", tag_name=name, **more)


@pytest.mark.parametrize("annotated", [True, False])
def test_a_tag_gives_a_release_run_of_its_commit(desk: Desk, annotated: bool) -> None:
    sha = tag(desk, "v1.0.0", annotated=annotated)
    run = run_of(desk.do("tag", "refs/tags/v1.0.0"))
    assert (run.kind, run.environment, run.ref, run.sha) == (
        *("release", "production", "refs/tags/v1.0.0"),
        sha,
    )


def test_a_branch_of_the_same_name_is_not_taken_for_the_tag(desk: Desk) -> None:
    sha = tag(desk, "v1.0.0")
    desk.push({"README.md": "a branch"}, branch="v1.0.0")
    assert run_of(desk.do("tag", "refs/tags/v1.0.0")).sha == sha


def test_every_character_of_a_tag_counts(desk: Desk) -> None:
    """In an address, what follows `#` is no part of the path, and `%` begins a character."""
    other = tag(desk, "v1.0.0")
    for name in ("v1.0.0#2", "v1.0.0%2e", "v1/installation"):
        desk.push({"README.md": name})
        sha = tag(desk, name)
        assert run_of(desk.do("tag", f"refs/tags/{name}")).sha == sha != other


def test_a_tag_and_its_release_give_one_run(desk: Desk) -> None:
    tag(desk, "v1.0.0")
    first = desk.do("tag", "refs/tags/v1.0.0")
    release(desk, "v1.0.0")
    second = desk.do("tag", "refs/tags/v1.0.0")
    assert second.run_ids == first.run_ids
    assert len(made()) == 1


@pytest.mark.parametrize(
    ("name", "environment"),
    [
        ("v1.0.0-rc.1", "staging"),
        ("v1.0.0", "production"),
        ("v1.0.0+build-7", "production"),
        ("v1.0.0-rc.1+build", "staging"),
    ],
)
def test_a_prerelease_by_its_version_goes_to_staging(
    desk: Desk, name: str, environment: str
) -> None:
    tag(desk, name)
    assert run_of(desk.do("tag", f"refs/tags/{name}")).environment == environment


def test_a_release_that_is_marked_as_prerelease_goes_to_staging(desk: Desk) -> None:
    tag(desk, "v1.0.0")
    release(desk, "v1.0.0", prerelease=True)
    assert run_of(desk.do("tag", "refs/tags/v1.0.0")).environment == "staging"


@pytest.mark.parametrize(
    ("name", "environment"), [("v1.0.0", "live"), ("v1.0.0-beta", "try"), ("2026.1", "live")]
)
def test_releases_go_where_the_settings_of_their_commit_say(
    desk: Desk, name: str, environment: str
) -> None:
    tag(desk, name, deploy="{on: {release: live, prerelease: try}}")
    assert run_of(desk.do("tag", f"refs/tags/{name}")).environment == environment


def test_the_mark_that_skips_a_commit_does_not_skip_its_tag(desk: Desk) -> None:
    desk.push({"mcp.yaml": manifest()}, "[skip sigil]")
    desk.checkout.git("tag", "v1.0.0")
    desk.checkout.push("v1.0.0")
    assert run_of(desk.do("tag", "refs/tags/v1.0.0")).state == "queued"


def test_a_tag_that_is_gone_again_is_given_up_with_the_reason(desk: Desk) -> None:
    errand = desk.ask("tag", "refs/tags/v9")
    while desk.state(errand)[0] == "waiting":
        table.work(errand)
        desk.hurry()
    state, reason, _ = desk.state(errand)
    assert (state, made()) == ("failed", [])
    assert reason is not None
    assert "No commit found" in reason


def test_an_archived_repository_releases_nothing(desk: Desk) -> None:
    tag(desk, "v1.0.0")
    rows("UPDATE repositories SET archived = true")
    assert "is archived" in desk.do("tag", "refs/tags/v1.0.0").reason
    assert made() == []
