"""Images, built on a real engine."""

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from uv import find_uv_bin

from config.settings import settings
from pipeline.builders.base import Artifact, BuildInput
from pipeline.builders.docker import DockerBuilder, image_tag
from pipeline.engine import engine, forget_engine
from pipeline.manifest import Manifest
from pipeline.stages.base import RunStopped, StageError, Stop
from sandbox.base_images import PYTHON_IMAGE
from tests.polling import eventually
from tests.servers import SHA, Lines, build_input, manifest, write_tree

pytestmark = [pytest.mark.docker, pytest.mark.usefixtures("images"), pytest.mark.timeout(600)]

_DOCKER = manifest(runtime="docker", entrypoint=["true"])
_SECRETS = ("DATABASE_URL", "GITHUB_PRIVATE_KEY", "GITHUB_WEBHOOK_SECRETS", "SENTRY_DSN")


@pytest.fixture
def base(images: None) -> str:
    """The name of the Python base image."""
    return settings().python_image.replace("{version}", "3.12")


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., tuple[Artifact, Lines]]]:
    """Builds `tree` with a manifest; the images are removed afterwards."""
    made: list[Artifact] = []

    def build(tree: Path, of: Manifest, stop: Stop | None = None) -> tuple[Artifact, Lines]:
        log = Lines()
        request = build_input(tree, tmp_path / "output", of=of)
        made.append(DockerBuilder().build(request, log=log, stop=stop or Stop()))
        return made[-1], log

    yield build
    for artifact in made:
        DockerBuilder().discard(artifact)


def _output(artifact: Artifact, *command: str) -> str:
    return (
        engine().containers.run(artifact.digest, list(command), entrypoint="", remove=True).decode()
    )


def _containers_of(word: str) -> list[str]:
    found = engine().containers.list(all=True, ignore_removed=True)
    return [str(c.id) for c in found if word in str(c.attrs)]


def test_an_image_says_where_it_comes_from_and_runs_as_nobody(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    title = "A \"probe\" for $5 'x' \\"
    artifact, _ = build(write_tree(tmp_path / "tree", {"server.py": ""}), manifest(title=title))

    image = engine().images.get(artifact.reference)
    assert image.id == artifact.digest
    assert artifact.reference == f"sigil/octo-org/probe:{SHA}"
    assert image.labels["org.opencontainers.image.source"] == "https://github.com/octo-org/probe"
    assert image.labels["org.opencontainers.image.revision"] == SHA
    assert image.labels["org.opencontainers.image.version"] == "1.0.0"
    assert image.labels["org.opencontainers.image.title"] == title
    assert _output(artifact, "id", "-u").strip() == "10001"
    assert "server.py" in _output(artifact, "ls", "/app")


def test_a_change_of_one_line_reuses_the_dependencies(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"requirements.txt": "idna==3.10\n", "server.py": "1\n"})
    first, _ = build(tree, manifest())
    (tree / "server.py").write_text("2\n")

    second, log = build(tree, manifest())

    def follows(title: str) -> str:
        index = next(i for i, line in enumerate(log.lines) if line.endswith(title))
        return log.lines[index + 1]

    assert follows("Install the dependencies") == " ---> Using cache"
    assert follows("Copy the source") != " ---> Using cache"
    assert second.digest != first.digest
    assert _output(second, "cat", "server.py") == "2\n"


def test_a_locked_project_is_installed_as_locked(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    project = '[project]\nname = "probe"\nversion = "1"\ndependencies = ["idna==3.9"]\n'
    tree = write_tree(tmp_path / "tree", {"pyproject.toml": project, "server.py": ""})
    _lock(tree)
    # A newer one would do by now, but the lock decides.
    (tree / "pyproject.toml").write_text(project.replace("==", ">="))

    artifact, log = build(tree, manifest())

    assert "dependencies from uv.lock" in log.lines
    assert "Version: 3.9\n" in _output(artifact, "uv", "pip", "show", "idna")


def _lock(tree: Path) -> None:
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=tree, check=True, env=environment)


def test_a_failing_step_is_named(
    build: Callable[..., tuple[Artifact, Lines]], base: str, tmp_path: Path
) -> None:
    files = {"Dockerfile": f"FROM {base} AS one\nRUN echo almost && exit 3\nFROM one\n"}

    with pytest.raises(StageError) as caught:
        build(write_tree(tmp_path / "tree", files), _DOCKER)

    assert caught.value.fault == "yours"
    assert "RUN echo almost && exit 3" in caught.value.title
    assert "exit status 3" in caught.value.detail


def test_a_failing_step_of_our_own_dockerfile_is_named_in_words(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"requirements.txt": "not a requirement\n"})

    with pytest.raises(StageError) as caught:
        build(tree, manifest())

    assert caught.value.title == "The build failed at: Install the dependencies"


def test_a_version_that_the_base_image_lacks_is_said(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_PYTHON_IMAGE", PYTHON_IMAGE)
    settings.cache_clear()
    of = manifest(runtime={"type": "python", "version": "3.99"})

    with pytest.raises(StageError, match="Check the version"):
        build(write_tree(tmp_path / "tree", {"server.py": ""}), of)


def test_a_build_sees_none_of_our_secrets(
    build: Callable[..., tuple[Artifact, Lines]],
    base: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in _SECRETS:
        monkeypatch.setenv(name, "https://sentinel-5e4f@sentry.example/1")
    files = {"Dockerfile": f"FROM {base}\nRUN env && echo the end of env\n"}

    artifact, log = build(write_tree(tmp_path / "tree", files), _DOCKER)

    assert "the end of env" in log.lines
    assert "sentinel-5e4f" not in log.text
    assert "sentinel-5e4f" not in str(engine().images.get(artifact.digest).attrs)


def test_stopping_in_the_middle_leaves_no_container(
    base: str, tmp_path: Path, build: Callable[..., tuple[Artifact, Lines]]
) -> None:
    files = {"Dockerfile": f"FROM {base}\nRUN echo sleeping && sleep 3217\n"}
    tree = write_tree(tmp_path / "tree", files)
    stop = Stop()
    asleep = threading.Thread(
        target=lambda: (eventually(lambda: _containers_of("sleep 3217")), stop.event.set())
    )
    asleep.start()

    with pytest.raises(RunStopped):
        build(tree, _DOCKER, stop)

    asleep.join()
    assert eventually(lambda: not _containers_of("sleep 3217"))


def test_a_build_that_takes_too_long_is_ended(
    base: str,
    tmp_path: Path,
    build: Callable[..., tuple[Artifact, Lines]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGIL_BUILD_TIMEOUT", "3")
    settings.cache_clear()
    files = {"Dockerfile": f"FROM {base}\nRUN sleep 3218\n"}

    with pytest.raises(StageError, match="longer than 3 seconds") as caught:
        build(write_tree(tmp_path / "tree", files), _DOCKER)

    assert caught.value.fault == "yours"
    assert "sleep 3218" in caught.value.detail
    assert eventually(lambda: not _containers_of("sleep 3218"))


def test_a_build_that_needs_too_much_memory_is_told_so(
    base: str,
    tmp_path: Path,
    build: Callable[..., tuple[Artifact, Lines]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIGIL_BUILD_MEMORY", "64Mi")
    settings.cache_clear()
    hungry = "RUN python3 -c \"x = bytearray(b'1' * 2**28)\"\n"
    files = {"Dockerfile": f"FROM {base}\n{hungry}"}

    with pytest.raises(StageError) as caught:
        build(write_tree(tmp_path / "tree", files), _DOCKER)

    assert "64 MiB" in caught.value.detail


def test_system_packages_are_there(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    of = manifest(build={"system_packages": ["libyaml-0-2"]})

    artifact, _ = build(write_tree(tmp_path / "tree", {"server.py": ""}), of)

    assert "ok installed" in _output(artifact, "dpkg", "-s", "libyaml-0-2")


def test_only_the_context_folder_is_built(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    files = {"servers/a/server.py": "", "servers/b/other.py": "", "secret.txt": ""}
    tree = write_tree(tmp_path / "tree", files)

    artifact, _ = build(tree, manifest(build={"context": "servers/a"}))

    assert _output(artifact, "ls", "-A", "/app").split() == ["server.py"]


@pytest.mark.parametrize(
    ("of", "words"),
    [
        (manifest(build={"context": "gone"}), "no folder gone"),
        (_DOCKER, "no Dockerfile"),
        (manifest(runtime="docker", transport={"type": "stdio"}, entrypoint=["x"]), "stdio"),
        (manifest(transport={"type": "stdio", "path": "/other"}), "served at /mcp"),
    ],
)
def test_what_cannot_be_built_is_the_authors_to_mend(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path, of: Manifest, words: str
) -> None:
    with pytest.raises(StageError, match=words) as caught:
        build(write_tree(tmp_path / "tree", {"server.py": ""}), of)

    assert caught.value.fault == "yours"


def test_a_broken_file_is_annotated(
    build: Callable[..., tuple[Artifact, Lines]], tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"sub/pyproject.toml": "[project\n"})

    with pytest.raises(StageError) as caught:
        build(tree, manifest(build={"context": "sub"}))

    assert [note.path for note in caught.value.annotations] == ["sub/pyproject.toml"]


@pytest.mark.parametrize(
    "repository", ["octo-org/probe", "Octo-Org/Probe", "-a-/..b__c.", "a/" + "B" * 100]
)
def test_every_repository_has_a_legal_tag_of_its_own(repository: str, base: str) -> None:
    image = engine().images.get(base)
    tag = image_tag(repository, SHA)

    assert image.tag(tag)
    engine().images.remove(tag)


def test_repositories_that_look_alike_have_different_tags() -> None:
    names = ("a/b.c", "a/b-c", "a/b--c", "a/b")

    assert len({image_tag(name, SHA) for name in names}) == len(names)


def test_nothing_of_an_unapproved_build_is_taken_up_after_the_approval(
    base: str, tmp_path: Path
) -> None:
    """Not even from the engine's cache: the step brings another file than before the approval."""
    tree = write_tree(
        tmp_path / "tree",
        {"Dockerfile": f"FROM {base}\nRUN head -c 16 /dev/urandom | base64 >/drawn\n"},
    )
    request = build_input(tree, tmp_path / "output", of=_DOCKER)
    checked = DockerBuilder().build(replace(request, trusted=False), log=Lines(), stop=Stop())
    approved = DockerBuilder().build(replace(request, fresh=True), log=Lines(), stop=Stop())
    again = DockerBuilder().build(request, log=Lines(), stop=Stop())

    assert _output(approved, "cat", "/drawn") != _output(checked, "cat", "/drawn")
    assert engine().images.get(checked.reference).id == checked.digest
    assert engine().images.get(again.reference).id == again.digest == approved.digest
    for artifact in (checked, approved):
        DockerBuilder().discard(artifact)


def test_discarding_an_unapproved_build_leaves_what_was_built_of_the_same_files(
    base: str, tmp_path: Path
) -> None:
    tree = write_tree(tmp_path / "tree", {"Dockerfile": f"FROM {base}\nRUN echo one >/one\n"})
    request = build_input(tree, tmp_path / "output", of=_DOCKER)
    kept = DockerBuilder().build(request, log=Lines(), stop=Stop())
    checked = DockerBuilder().build(replace(request, trusted=False), log=Lines(), stop=Stop())
    assert checked.digest == kept.digest

    DockerBuilder().discard(checked)

    assert DockerBuilder().has(kept)
    assert engine().images.get(kept.digest).tags == [kept.reference]
    DockerBuilder().discard(kept)
    assert not DockerBuilder().has(kept)


@pytest.mark.parametrize(
    "line", ["FROM {tag}", "FROM {id}", "FROM {base}\nCOPY --from={step} / /x"]
)
def test_nothing_of_another_repository_gets_into_an_image(
    base: str, tmp_path: Path, line: str
) -> None:
    tree = write_tree(tmp_path / "tree", {"Dockerfile": f"FROM {base}\nRUN echo mine >/secret\n"})
    request = build_input(tree, tmp_path / "output", of=_DOCKER)
    secret = DockerBuilder().build(
        replace(request, repository="octo/secret"), log=Lines(), stop=Stop()
    )
    # The step before the labels is an image, too, and says nothing of whose it is.
    step = engine().images.get(secret.digest).attrs["Parent"] or secret.digest
    names = {"tag": secret.reference, "id": secret.digest[7:19], "step": step[7:19], "base": base}
    write_tree(tree, {"Dockerfile": line.format(**names)})
    try:
        with pytest.raises(StageError, match="an image that it may not"):
            DockerBuilder().build(request, log=Lines(), stop=Stop())
    finally:
        DockerBuilder().discard(secret)


def test_an_engine_that_is_away_is_our_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no.sock")
    forget_engine()
    request: BuildInput = build_input(
        write_tree(tmp_path / "tree", {"server.py": ""}), tmp_path, of=manifest()
    )
    with pytest.raises(StageError) as caught:
        DockerBuilder().build(request, log=Lines(), stop=Stop())
    monkeypatch.undo()
    forget_engine()

    assert caught.value.fault == "ours"
