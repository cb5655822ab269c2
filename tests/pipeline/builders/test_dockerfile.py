"""The Dockerfiles that Sigil writes, as text."""

from pathlib import Path

import pytest

from pipeline.builders.dockerfile import base_image, recipe_of, render, step_titles
from pipeline.manifest import Manifest, Runtime
from tests.servers import SAMPLES, manifest, write_tree


def _render(tree: Path, of: Manifest) -> str:
    bridge = "the-bridge" if of.transport.type == "stdio" else None
    recipe = recipe_of(of, tree)
    return render(of, recipe, base="the-base", bridge_image=bridge, labels={"a.b": "c d"})


def _instructions(dockerfile: str, word: str) -> list[str]:
    return [line for line in dockerfile.splitlines() if line.startswith(f"{word} ")]


def test_the_version_of_the_base_image_is_the_one_asked_for() -> None:
    assert base_image("python:{version}-slim", Runtime("python", "3.13")) == "python:3.13-slim"
    assert base_image("python:{version}-slim", Runtime("python", None)) == "python:3.12-slim"
    assert base_image("node:{version}-slim", Runtime("node", None)) == "node:22-slim"
    assert base_image("our-own:1", Runtime("node", "20")) == "our-own:1"


@pytest.mark.parametrize(
    ("sample", "of"),
    [
        ("time-stdio", manifest()),
        ("clock-http", manifest()),
        ("everything-http", manifest(runtime="node", entrypoint=["mcp-server-everything"])),
    ],
)
def test_dependencies_are_installed_before_the_source_is_copied(sample: str, of: Manifest) -> None:
    text = _render(SAMPLES / sample, of)

    assert 0 < text.index("#: Install the dependencies") < text.index("#: Copy the source")


def test_the_server_does_not_run_as_root(tmp_path: Path) -> None:
    text = _render(tmp_path, manifest())

    assert _instructions(text, "USER") == ["USER 10001:10001"]


def test_the_project_is_installed_before_root_is_left(tmp_path: Path) -> None:
    text = _render(SAMPLES / "clock-http", manifest())

    assert text.index("#: Install the project") < text.index("\nUSER ")


def test_after_the_source_comes_only_what_differs_for_every_commit(tmp_path: Path) -> None:
    text = _render(SAMPLES / "time-stdio", manifest())

    rest = text[text.index("#: Copy the source") :]
    assert [line.split()[0] for line in rest.splitlines()[1:] if line] == ["COPY", "LABEL"]
    assert _instructions(text, "LABEL") == ['LABEL a.b="c d"']


def test_the_entrypoint_reaches_the_server_as_it_is(tmp_path: Path) -> None:
    of = manifest(entrypoint=["python", "-c", "print(\"a 'b' $HOME\")"])

    text = _render(tmp_path, of)

    assert _instructions(text, "CMD") == [
        'CMD ["python", "-c", "print(\\"a \\u0027b\\u0027 $HOME\\")"]'
    ]


def test_a_stdio_server_gets_the_bridge_of_its_runtime(tmp_path: Path) -> None:
    python = _render(tmp_path, manifest(transport={"type": "stdio"}))
    node = _render(
        tmp_path, manifest(runtime="node", entrypoint=["x"], transport={"type": "stdio"})
    )

    assert "COPY --from=the-bridge /opt/bridge /opt/bridge" in python
    assert "/opt/bridge/bin/mcp-proxy" in _instructions(python, "CMD")[0]
    assert "COPY --from=the-bridge /opt/bridge /opt/bridge" in node
    assert "/opt/bridge/node_modules/.bin/mcp-proxy" in _instructions(node, "CMD")[0]


def test_system_packages_come_before_everything_that_may_need_them(tmp_path: Path) -> None:
    write_tree(tmp_path, {"requirements.txt": "idna\n"})

    text = _render(tmp_path, manifest(build={"system_packages": ["libpq5", "tzdata"]}))

    assert "apt-get install -y -qq --no-install-recommends libpq5 tzdata" in text
    assert text.index("apt-get install") < text.index("#: Install the dependencies")


def test_a_version_that_is_asked_for_is_checked(tmp_path: Path) -> None:
    asked = _render(tmp_path, manifest(runtime={"type": "python", "version": "3.12"}))

    assert "#: Check the version of the runtime" in asked
    assert "#: Check the version of the runtime" not in _render(tmp_path, manifest())


def test_a_node_build_leaves_its_development_dependencies_behind(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {"package.json": '{"scripts": {"build": "tsc"}}', "package-lock.json": "{}"},
    )

    text = _render(tmp_path, manifest(runtime="node", entrypoint=["node", "dist/x.js"]))

    build, final = text.split("\nFROM base\n")
    assert '"--omit=dev"' not in build
    assert 'RUN ["npm", "run", "build"]' in build
    assert '"--omit=dev"' in final
    assert "COPY --from=build" in final


def test_titles_belong_to_the_steps_that_the_engine_counts() -> None:
    text = "FROM x\n#: First\nRUN a \\\n && b\n\n# a remark\nENV A=1 \\\n    B=2\n"
    text += "#: Second\nCOPY . .\n"

    assert step_titles(text) == [None, "First", None, "Second"]
