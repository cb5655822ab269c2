"""Which live deployment the tools of a run are compared with, and what `deploy.breaking` does."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, cast

import pytest
from psycopg.types.json import Jsonb

from config.database import transaction
from pipeline import pull_requests, runs
from pipeline.pull_requests import PullRequest
from pipeline.stages.base import StageError, Stop
from pipeline.stages.changes import block_breaking, compare_with_live
from pipeline.stages.context import RunContext
from pipeline.stages.verify import VerifyResult
from registry.tools import Tool, tool_hash
from tests import seed


def tool(name: str, *required: str) -> Tool:
    schema = {"type": "object", "properties": {"a": {}}, "required": list(required)}
    return Tool(name, schema, tool_hash(name=name, input_schema=schema))


OLD = (tool("forecast"), tool("gone"))
NEW = (tool("forecast", "a"),)


@pytest.fixture
def seeded(database_url: str) -> seed.Seeded:
    return seed.repository()


def context(run_id: int, lines: list[str] | None = None) -> RunContext:
    with transaction() as connection:
        run = runs.get(connection, run_id)
        assert run is not None
        repository = runs.repository(connection, run.repository_id)
    assert repository is not None
    return RunContext(
        run=run,
        repository=repository,
        instance="test",
        host=cast(Any, None),
        builder=cast(Any, None),
        work=Path("work"),
        output=Path("output"),
        log=(lines if lines is not None else []).append,
        stop=Stop(),
    )


def serving(seeded: seed.Seeded, environment: str = "production", version: str = "1.3.0") -> int:
    commit = seed.sha(len(environment))
    run = seed.run(state="succeeded", commit=commit, environment=environment)
    seed.stage(run, "manifest", 1, state="succeeded", result={"manifest": {"version": version}})
    deployment = seed.deployment(seeded, run, environment=environment)
    tools = [asdict(one) for one in OLD]
    with transaction() as connection:
        connection.execute(
            "UPDATE mcp_deployments SET handshake = %s WHERE id = %s",
            (Jsonb({"tools": tools}), deployment),
        )
    return run


def candidate(settings: dict[str, Any] | None = None, **columns: Any) -> int:
    stored = Jsonb(settings) if settings else None
    columns = {"state": "running", "commit": seed.sha(99)} | columns
    return seed.run(deploy_settings=stored, **columns)


def preview(settings: dict[str, Any] | None = None, base: str = "main") -> int:
    with transaction() as connection:
        pull_requests.record(
            connection,
            PullRequest(
                1,
                7,
                seed.sha(99),
                "topic",
                "octo/weather",
                False,
                base,
                "mona",
                False,
                "open",
                False,
            ),
        )
    return candidate(settings, kind="preview", environment="preview/pr-7", pull_number=7)


def test_a_first_deployment_is_compared_with_nothing(seeded: seed.Seeded) -> None:
    serving(seeded, "staging")
    assert compare_with_live(context(candidate()), NEW) is None


def test_a_deploy_is_compared_with_what_is_live_in_its_environment(seeded: seed.Seeded) -> None:
    serving(seeded)
    found = compare_with_live(context(candidate()), NEW)
    assert found is not None
    assert (found.live.environment, found.live.version) == ("production", "1.3.0")
    diff = found.read()
    assert [change.name for change in diff.removed] == ["gone"]
    assert diff.rules == ("tool-removed", "argument-became-required")


def test_a_run_is_not_compared_with_itself(seeded: seed.Seeded) -> None:
    run = serving(seeded)
    assert compare_with_live(context(run), NEW) is None


@pytest.mark.parametrize(
    ("base", "push", "environment"),
    [
        ("main", None, "production"),
        ("develop", None, "production"),
        ("develop", [{"branch": "develop", "environment": "staging"}], "staging"),
    ],
)
def test_a_preview_is_compared_with_where_its_base_branch_deploys(
    seeded: seed.Seeded, base: str, push: Any, environment: str
) -> None:
    serving(seeded, "production")
    serving(seeded, "staging")
    found = compare_with_live(context(preview({"push": push}, base)), NEW)
    assert found is not None
    assert found.live.environment == environment


def test_a_comparison_is_stored_with_the_result_and_old_results_still_load(
    seeded: seed.Seeded,
) -> None:
    serving(seeded)
    facts: dict[str, Any] = {
        "verdict": "open",
        "era": None,
        "protocol": None,
        "server": {},
        "tools": [],
        "verified": True,
        "seconds": 1.0,
    }
    assert VerifyResult.model_validate(facts).comparison is None
    result = VerifyResult(**facts, comparison=compare_with_live(context(candidate()), NEW))
    again = VerifyResult.model_validate(result.model_dump(mode="json"))
    assert again.comparison is not None
    assert again.comparison.read().breaking


BLOCK = {"breaking": "block"}


def blocked(run: int, version: str, tools: tuple[Tool, ...] = NEW) -> StageError | None:
    here = context(run)
    try:
        block_breaking(here, compare_with_live(here, tools), version)
    except StageError as error:
        return error
    return None


def test_a_breaking_change_is_blocked_with_the_diff_and_what_to_do(seeded: seed.Seeded) -> None:
    serving(seeded)
    error = blocked(candidate(BLOCK), "1.4.0")
    assert error is not None
    assert error.title == "A breaking change: tool-removed in gone (and 1 more tool)"
    assert error.fault == "yours"
    for words in ("**`gone`**", "`argument-became-required`", "2.0.0", "breaking: warn"):
        assert words in error.detail


def test_a_preview_is_blocked_by_the_settings_of_its_base_branch(seeded: seed.Seeded) -> None:
    serving(seeded)
    error = blocked(preview(BLOCK), "1.4.0")
    assert error is not None
    assert "of the base branch's mcp.yaml is `block`" in error.detail


def test_what_does_not_break_passes(seeded: seed.Seeded) -> None:
    serving(seeded)
    assert blocked(candidate({"breaking": "warn"}), "1.4.0") is None
    assert blocked(candidate(state="failed", attempt=2), "1.4.0") is None
    assert blocked(candidate(BLOCK, environment="staging"), "1.4.0") is None
    assert (
        blocked(candidate(BLOCK, kind="release", state="failed"), "1.4.0", (*OLD, tool("new")))
        is None
    )


def test_a_new_major_version_may_break(seeded: seed.Seeded) -> None:
    serving(seeded)
    assert blocked(candidate(BLOCK), "2.0.0") is None


def test_a_rollback_may_break_what_came_after_it(seeded: seed.Seeded) -> None:
    serving(seeded)
    assert blocked(candidate(BLOCK, kind="rollback"), "1.2.0") is None
