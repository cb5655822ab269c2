"""What is proposed really builds and answers: nothing is added by hand but the generated file."""

import uuid
from pathlib import Path

import pytest

from pipeline.builders.process import ProcessBuilder
from pipeline.hosts.process import ProcessHost
from pipeline.manifest import parse
from pipeline.onboarding import generate
from pipeline.stages.base import Stop
from tests.pipeline.onboarding import corpus
from tests.pipeline.onboarding.corpus import Repository, found
from tests.polling import eventually
from tests.servers import Lines, build_input, call, spec_of, tool_names


@pytest.mark.parametrize(
    ("files", "tools", "arguments", "answer"),
    [
        pytest.param(
            corpus.FASTMCP_STDIO,
            ["roll", "roll_loaded"],
            {"sides": 7},
            "7",
            id="python-stdio",
        ),
        pytest.param(corpus.SUBFOLDER, ["now"], {}, "+00:00", id="python-http-in-a-folder"),
        pytest.param(
            corpus.NODE_STDIO,
            ["write_note"],
            {"text": "ahoy"},
            "default: ahoy",
            id="node-stdio",
            marks=pytest.mark.node,
        ),
    ],
)
def test_the_proposed_file_builds_a_server_that_answers(
    process_host: ProcessHost,
    tmp_path: Path,
    files: Repository,
    tools: list[str],
    arguments: dict[str, object],
    answer: str,
) -> None:
    tree = tmp_path / "tree"
    text = generate(found(tree, files))
    (tree / "mcp.yaml").write_text(text)
    manifest = parse(text.encode())
    artifact = ProcessBuilder().build(
        build_input(tree, tmp_path / "output"), log=Lines(), stop=Stop()
    )
    name = f"sigil-test-{uuid.uuid4().hex[:12]}"

    instance = process_host.start(spec_of(name, artifact, manifest))

    assert eventually(lambda: tool_names(instance.url)) == tools
    assert answer in call(instance.url, tools[-1], arguments)
