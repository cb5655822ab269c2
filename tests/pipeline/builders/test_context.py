"""What is sent to the engine, and what stays out."""

import tarfile
from pathlib import Path

from pipeline.builders.context import DOCKERFILE, pack
from tests.servers import write_tree


def _names(folder: Path, dockerfile: str | None = "FROM x\n") -> set[str]:
    with pack(folder, dockerfile=dockerfile) as archive, tarfile.open(fileobj=archive) as tar:
        return {member.name for member in tar if not member.isdir()}


def test_history_and_installed_files_stay_out(tmp_path: Path) -> None:
    files = ("app.py", ".git/config", "node_modules/x/i.js", "web/node_modules/y.js", ".venv/pip")
    write_tree(tmp_path, dict.fromkeys(files, ""))

    assert _names(tmp_path) == {"app.py", DOCKERFILE, ".dockerignore"}


def test_the_repositorys_dockerignore_counts(tmp_path: Path) -> None:
    files = {"a.py": "", "notes/x.md": "", "b.md": "", ".dockerignore": "# remark\n*.md\nnotes\n"}
    write_tree(tmp_path, files)

    assert _names(tmp_path) == {"a.py", DOCKERFILE, ".dockerignore"}


def test_a_repository_cannot_bring_a_dockerfile_under_our_name(tmp_path: Path) -> None:
    write_tree(tmp_path, {DOCKERFILE: "FROM theirs\n"})

    with pack(tmp_path, dockerfile="FROM ours\n") as archive, tarfile.open(fileobj=archive) as tar:
        files = [member for member in tar if member.name == DOCKERFILE]
        assert len(files) == 1
        content = tar.extractfile(files[0])
        assert content is not None
        assert content.read() == b"FROM ours\n"


def test_an_ignored_dockerfile_is_sent_all_the_same(tmp_path: Path) -> None:
    write_tree(tmp_path, {"Dockerfile": "FROM x\n", ".dockerignore": "*\n"})

    assert "Dockerfile" in _names(tmp_path, dockerfile=None)


def test_a_link_is_sent_as_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/hostname")

    with pack(tmp_path, dockerfile="FROM x\n") as archive, tarfile.open(fileobj=archive) as tar:
        assert tar.getmember("link").issym()
