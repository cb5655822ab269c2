"""Servers built into folders of this machine."""

import json
import os
import platform
import shutil
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from uv import find_uv_bin

from config.settings import settings
from pipeline.builders.base import Artifact
from pipeline.builders.commands import MARK
from pipeline.builders.process import ProcessBuilder
from pipeline.manifest import Manifest
from pipeline.stages.base import RunStopped, StageError, Stop
from tests.polling import eventually
from tests.servers import Lines, build_input, manifest, write_tree

pytestmark = pytest.mark.usefixtures("var")

# A build backend in the repository itself: it runs whatever a test wants, and downloads nothing.
_BACKEND = """\
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
_SECRETS = ("DATABASE_URL", "REDIS_URL", "GITHUB_PRIVATE_KEY", "SENTRY_DSN", "AWS_SECRET_KEY")


def _tree(folder: Path, backend: str, **files: str) -> Path:
    body = f"def build_wheel(directory, settings=None, metadata=None):\n{backend}\n"
    return write_tree(
        folder, {"pyproject.toml": _BACKEND, "backend.py": body, "server.py": "", **files}
    )


def _build(
    tree: Path, output: Path, of: Manifest | None = None, stop: Stop | None = None
) -> tuple[Artifact, Lines]:
    log = Lines()
    request = build_input(tree, output, of=of or manifest())
    return ProcessBuilder().build(request, log=log, stop=stop or Stop()), log


def _marked(output: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK) == str(output):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def test_an_artifact_holds_all_that_its_command_needs(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"server.py": "print('up')", ".git/config": "x"})

    artifact, _ = _build(tree, tmp_path / "output")
    shutil.rmtree(tree)

    assert artifact.command == (str(tmp_path / "output/venv/bin/python"), "server.py")
    done = subprocess.run(
        artifact.command, cwd=tmp_path / "output/app", capture_output=True, check=True
    )
    assert done.stdout == b"up\n"
    assert not (tmp_path / "output/app/.git").exists()


def test_the_same_source_has_the_same_digest_and_another_has_another(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"server.py": "1"})
    first, _ = _build(tree, tmp_path / "one")
    again, _ = _build(tree, tmp_path / "two")
    (tree / "server.py").chmod(0o755)
    executable, _ = _build(tree, tmp_path / "three")
    (tree / "server.py").write_text("2")
    changed, _ = _build(tree, tmp_path / "four")
    other, _ = _build(tree, tmp_path / "five", manifest(entrypoint=["python", "-V"]))

    assert first.digest == again.digest
    assert len({first.digest, executable.digest, changed.digest, other.digest}) == 4


def test_a_finished_build_is_not_repeated(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"server.py": ""})
    first, _ = _build(tree, tmp_path / "output")
    before = (tmp_path / "output/digest").stat().st_mtime_ns

    again, log = _build(tree, tmp_path / "output")

    assert again == first
    assert (tmp_path / "output/digest").stat().st_mtime_ns == before
    assert log.lines == ["this build was finished before"]


def test_what_a_killed_build_left_is_replaced(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", {"server.py": ""})
    output = write_tree(tmp_path / "output", {"app/old.py": "", "venv/bin/python": "half"})
    sleeper = subprocess.Popen(["sleep", "3219"], env={**os.environ, MARK: str(output)})

    artifact, _ = _build(tree, output)

    assert sleeper.wait(timeout=30) == -9
    assert not (output / "app/old.py").exists()
    assert ProcessBuilder().has(artifact)


def test_a_locked_project_is_installed_as_locked(tmp_path: Path) -> None:
    project = '[project]\nname = "probe"\nversion = "1"\ndependencies = ["idna==3.9"]\n'
    tree = write_tree(tmp_path / "tree", {"pyproject.toml": project, "server.py": ""})
    environment = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=tree, check=True, env=environment)
    # A newer one would do by now, but the lock decides.
    (tree / "pyproject.toml").write_text(project.replace("==", ">="))

    artifact, log = _build(tree, tmp_path / "output")

    assert "dependencies from uv.lock" in log.lines
    code = "import importlib.metadata as m; print(m.version('idna'))"
    done = subprocess.run([artifact.command[0], "-c", code], capture_output=True, check=True)
    assert done.stdout == b"3.9\n"


def test_a_build_sees_none_of_our_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in _SECRETS:
        monkeypatch.setenv(name, "https://sentinel-77aa@sentry.example/1")
    backend = (
        "    import json, os\n    json.dump(dict(os.environ), open('seen.json', 'w'))\n    1/0"
    )

    with pytest.raises(StageError):
        _build(_tree(tmp_path / "tree", backend), tmp_path / "output")

    seen = json.loads((tmp_path / "output/app/seen.json").read_text())
    assert seen[MARK] == str(tmp_path / "output")
    assert "sentinel-77aa" not in str(seen)
    assert seen["HOME"] == str(tmp_path / "output/home")


@pytest.mark.parametrize("trusted", [True, False])
def test_a_stranger_cannot_put_anything_into_the_downloads_of_others(
    tmp_path: Path, trusted: bool
) -> None:
    backend = (
        "    import json, os\n    json.dump(dict(os.environ), open('seen.json', 'w'))\n    1/0"
    )
    request = build_input(_tree(tmp_path / "tree", backend), tmp_path / "output", of=manifest())

    with pytest.raises(StageError):
        ProcessBuilder().build(replace(request, trusted=trusted), log=Lines(), stop=Stop())

    seen = json.loads((tmp_path / "output/app/seen.json").read_text())
    shared = str(settings().var)
    caches = [seen["UV_CACHE_DIR"], seen["npm_config_cache"]]
    assert [cache.startswith(shared) for cache in caches] == [trusted, trusted]


def test_a_failing_step_is_named_and_its_output_logged(tmp_path: Path) -> None:
    tree = _tree(tmp_path / "tree", "    raise SystemExit('it broke here')")
    log = Lines()

    with pytest.raises(StageError) as caught:
        ProcessBuilder().build(
            build_input(tree, tmp_path / "output", of=manifest()), log=log, stop=Stop()
        )

    assert caught.value.title == "The build failed at: Install the project"
    assert caught.value.fault == "yours"
    assert "exit status" in caught.value.detail
    assert "it broke here" in log.text
    assert not ProcessBuilder().has(
        Artifact(kind="folder", reference=str(tmp_path / "output"), digest="sha256:0")
    )


# The grandchild has a session of its own, as a daemon has.
_HANGS = """\
    import subprocess, time
    subprocess.Popen(["setsid", "sleep", "3220"])
    open("asleep", "w").close()
    time.sleep(3220)"""


def test_stopping_in_the_middle_leaves_no_process(tmp_path: Path) -> None:
    output, stop = tmp_path / "output", Stop()

    def stop_when_asleep() -> None:
        eventually((output / "app/asleep").exists)
        eventually(lambda: any("sleep" in p.name() for p in _marked(output)))
        stop.event.set()

    asleep = threading.Thread(target=stop_when_asleep)
    asleep.start()

    with pytest.raises(RunStopped):
        _build(_tree(tmp_path / "tree", _HANGS), output, stop=stop)

    asleep.join()
    assert _marked(output) == []


def test_a_build_that_takes_too_long_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_BUILD_TIMEOUT", "3")
    settings.cache_clear()

    with pytest.raises(StageError, match="longer than 3 seconds"):
        _build(_tree(tmp_path / "tree", _HANGS), tmp_path / "output")

    assert _marked(tmp_path / "output") == []


def test_a_killed_worker_leaves_no_build_running(tmp_path: Path) -> None:
    output = tmp_path / "output"
    backend = "    import time\n    open('asleep', 'w').close()\n    time.sleep(3221)"
    tree = _tree(tmp_path / "tree", backend)
    code = (
        "import sys; from pathlib import Path; from tests.servers import *;"
        "from pipeline.builders.process import ProcessBuilder;"
        "from pipeline.stages.base import Stop;"
        "tree, output = map(Path, sys.argv[1:]);"
        "ProcessBuilder().build(build_input(tree, output, of=manifest()), log=print, stop=Stop())"
    )
    worker = subprocess.Popen(
        [sys.executable, "-c", code, str(tree), str(output)],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.DEVNULL,
    )
    eventually((output / "app/asleep").exists)

    worker.kill()
    worker.wait()

    # The step ends with its worker; what it started is ended by the next build of this output.
    eventually(lambda: not any("uv" in process.name() for process in _marked(output)))
    (tree / "backend.py").unlink()
    (tree / "pyproject.toml").unlink()
    _build(tree, output)
    assert _marked(output) == []


@pytest.mark.parametrize(
    ("of", "title"),
    [
        (manifest(runtime="docker"), "needs docker"),
        (manifest(entrypoint=["no-such-program-here"]), "no program no-such-program-here"),
        (manifest(entrypoint=["./run.sh"]), "no program ./run.sh"),
        (manifest(runtime={"type": "python", "version": "3.99"}), "no Python 3.99"),
        (manifest(build={"context": "gone"}), "no folder gone"),
        (manifest(transport={"type": "stdio", "path": "/other"}), "served at /mcp"),
    ],
)
def test_what_cannot_be_built_is_the_authors_to_mend(
    tmp_path: Path, of: Manifest, title: str
) -> None:
    with pytest.raises(StageError, match=title) as caught:
        _build(write_tree(tmp_path / "tree", {"server.py": ""}), tmp_path / "output", of)

    assert caught.value.fault == "yours"
    assert caught.value.detail


def test_a_machine_without_node_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StageError, match="no node"):
        _build(
            write_tree(tmp_path / "tree", {"server.js": ""}),
            tmp_path / "output",
            manifest(runtime="node", entrypoint=["node", "server.js"]),
        )


@pytest.mark.node
def test_a_node_version_that_the_machine_lacks_is_said(tmp_path: Path) -> None:
    of = manifest(runtime={"type": "node", "version": "99"}, entrypoint=["node", "server.js"])

    with pytest.raises(StageError, match="no Node 99"):
        _build(write_tree(tmp_path / "tree", {"server.js": ""}), tmp_path / "output", of)


@pytest.mark.node
def test_a_node_project_is_built_by_its_own_script(tmp_path: Path) -> None:
    package = {"name": "x", "scripts": {"build": "node build.js", "prepare": "exit 7"}}
    files = {
        "package.json": json.dumps(package),
        "build.js": "require('fs').writeFileSync('built.js', 'console.log(6 * 7)')",
    }
    of = manifest(runtime="node", entrypoint=["node", "built.js"])

    artifact, _ = _build(write_tree(tmp_path / "tree", files), tmp_path / "output", of)

    app = tmp_path / "output/app"
    done = subprocess.run(artifact.command, cwd=app, capture_output=True, check=True)
    assert done.stdout == b"42\n"
    assert json.loads((app / "package.json").read_text()) == package


def test_the_version_asked_for_may_be_the_machines(tmp_path: Path) -> None:
    version = ".".join(platform.python_version_tuple()[:2])
    of = manifest(runtime={"type": "python", "version": version})

    artifact, _ = _build(write_tree(tmp_path / "tree", {"server.py": ""}), tmp_path / "out", of)

    assert ProcessBuilder().has(artifact)


def test_system_packages_are_left_to_the_machine(tmp_path: Path) -> None:
    of = manifest(build={"system_packages": ["libpq5"]})

    _, log = _build(write_tree(tmp_path / "tree", {"server.py": ""}), tmp_path / "output", of)

    assert "libpq5" in log.text


def test_a_discarded_artifact_is_gone(tmp_path: Path) -> None:
    artifact, _ = _build(write_tree(tmp_path / "tree", {"server.py": ""}), tmp_path / "output")

    ProcessBuilder().discard(artifact)

    assert not (tmp_path / "output").exists()
    assert not ProcessBuilder().has(artifact)
    ProcessBuilder().discard(artifact)


@pytest.mark.node
def test_output_comes_while_the_step_runs(tmp_path: Path) -> None:
    package = {
        "scripts": {"build": "node -e \"console.log('early'); setTimeout(() => {}, 60000)\""}
    }
    stop, log = Stop(), Lines()

    def stop_when_heard() -> None:
        eventually(lambda: "early" in log.lines)
        stop.event.set()

    heard = threading.Thread(target=stop_when_heard)
    heard.start()
    with pytest.raises(RunStopped):
        ProcessBuilder().build(
            build_input(
                write_tree(tmp_path / "tree", {"package.json": json.dumps(package)}),
                tmp_path / "output",
                of=manifest(runtime="node", entrypoint=["node", "x.js"]),
            ),
            log=log,
            stop=stop,
        )
    heard.join()
    assert "early" in log.lines
