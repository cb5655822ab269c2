"""Unpacking a commit's tarball: faithful for GitHub's, and nothing gets out of a hostile one."""

import gzip
import io
import os
import subprocess
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.archive import ArchiveError, ExtractedTree, extract

TOP = "owner-repo-0123456"


def entry(
    name: str, content: bytes = b"", *, top: str = TOP, **fields: Any
) -> tuple[tarfile.TarInfo, bytes]:
    member = tarfile.TarInfo(f"{top}/{name}" if top else name)
    member.size = len(content)
    member.mode = 0o644
    member.mtime = 1_700_000_000
    for field, value in fields.items():
        setattr(member, field, value)
    return member, content


def link(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def folder(name: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=0o755)


def tarball(
    entries: Iterable[tuple[tarfile.TarInfo, bytes]], format: int = tarfile.PAX_FORMAT
) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", format=format) as tar:
        for member, content in entries:
            tar.addfile(member, io.BytesIO(content))
    return raw.getvalue()


def unpack(
    raw: bytes, place: Path, *, max_bytes: int = 10**6, max_files: int = 1000
) -> ExtractedTree:
    return extract(io.BytesIO(raw), place, max_bytes=max_bytes, max_files=max_files)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where to unpack: a name that does not exist, in a folder with nothing else in it."""
    inner = tmp_path / "inner"
    inner.mkdir()
    return inner / "tree"


def refused(raw: bytes, place: Path, **limits: int) -> str:
    """Why the archive was refused, after nothing was left behind, here or above."""
    outside = {path.name for path in place.parent.parent.iterdir()}
    with pytest.raises(ArchiveError) as caught:
        unpack(raw, place, **limits)
    assert list(place.parent.iterdir()) == []
    assert {path.name for path in place.parent.parent.iterdir()} == outside
    return str(caught.value)


# What GitHub sends


def test_an_archive_of_git_gives_the_commit_and_its_files(tmp_path: Path, place: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "src" / "deep").mkdir(parents=True)
    (repository / "src" / "deep" / "module.py").write_text("print('hello')\n")
    (repository / "run.sh").write_text("#!/bin/sh\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "naïve ☃.txt").write_text("x")
    (repository / ("long" * 40 + ".txt")).write_text("y")
    (repository / "latest").symlink_to("src/deep")
    (repository / "dangling").symlink_to("not/here")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for command in (
        ["init", "-q"],
        ["add", "."],
        [*identity, "commit", "-q", "-m", "first"],
        ["archive", "--format=tar.gz", f"--prefix={TOP}/", "-o", "../a.tar.gz", "HEAD"],
    ):
        subprocess.run(["git", *command], cwd=repository, check=True)
    head = subprocess.check_output(["git", "rev-parse", "HEAD"], cwd=repository, text=True).strip()

    tree = unpack((tmp_path / "a.tar.gz").read_bytes(), place)

    assert tree.commit == head
    assert tree.path == place
    assert (place / "latest" / "module.py").read_text() == "print('hello')\n"
    assert (place / "naïve ☃.txt").read_text() == "x"
    assert (place / "dangling").readlink() == Path("not/here")
    assert not (place / TOP).exists()
    files = [path for path in place.rglob("*") if path.is_file() and not path.is_symlink()]
    assert tree.bytes == sum(path.stat().st_size for path in files)


def test_modes_are_0644_or_0755_whatever_the_archive_and_the_umask_say(place: Path) -> None:
    entries = [
        entry("plain", b"x", mode=0o600),
        entry("everyone", b"x", mode=0o666),
        entry("program", b"x", mode=0o700),
        entry("setuid", b"x", mode=0o6755),
        entry("sticky/file", b"x", mode=0o1644),
        entry("locked", type=tarfile.DIRTYPE, mode=0o000),
        entry("locked/file", b"x"),
    ]
    before = os.umask(0o077)
    try:
        unpack(tarball(entries), place)
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o7777 for path in place.rglob("*")}
    assert {name for name, mode in modes.items() if mode == 0o644} == {"plain", "everyone", "file"}
    assert {name for name, mode in modes.items() if mode == 0o755} == {
        "program", "setuid", "sticky", "locked",
    }  # fmt: skip
    assert place.stat().st_mode & 0o7777 == 0o755


def test_the_same_archive_gives_the_same_tree(tmp_path: Path) -> None:
    raw = tarball(
        [folder(""), folder("a"), entry("a/b", b"1"), link("c", "a/b"), entry("d/e", b"2")]
    )
    seen = []
    for name in ("one", "two"):
        unpack(raw, tmp_path / name)
        paths = sorted((tmp_path / name).rglob("*"))
        seen.append(
            [
                (path.relative_to(tmp_path / name), path.lstat().st_mode, path.stat().st_mtime)
                for path in paths
                if path.name != "d"  # A folder without an entry of its own has no time either.
            ]
        )
    assert seen[0] == seen[1]
    assert {when for _, _, when in seen[0]} == {1_700_000_000}


@pytest.mark.parametrize("mtime", [-5, 0, 10**11, 1_700_000_000.5])
def test_a_senseless_time_is_moved_to_what_zip_files_can_hold(place: Path, mtime: float) -> None:
    unpack(tarball([entry("a", b"", mtime=mtime)]), place)
    assert 315_619_200 <= (place / "a").stat().st_mtime <= 2**32


@pytest.mark.parametrize("name", ["naïve", "نص", "‮txt.exe", "a\nb", "-rf", "con", "a\\b", "\udcff"])
def test_unusual_names_are_kept(place: Path, name: str) -> None:
    unpack(
        tarball(
            [entry(f"x/{name}", b"1")],
            tarfile.GNU_FORMAT if "\udcff" in name else tarfile.PAX_FORMAT,
        ),
        place,
    )
    assert [path.name for path in (place / "x").iterdir()] == [name]


def test_a_hard_link_to_an_earlier_file_becomes_a_copy(place: Path) -> None:
    tree = unpack(tarball([entry("a", b"12345", mode=0o755), hard("b/c", f"{TOP}/a")]), place)
    assert (place / "b" / "c").read_bytes() == b"12345"
    assert (place / "b" / "c").stat().st_nlink == 1
    assert (place / "b" / "c").stat().st_mode & 0o7777 == 0o755
    assert tree.bytes == 10


@pytest.mark.parametrize(
    ("name", "target"),
    [("a/b", "../c"), ("a/b", ".."), ("a", "a"), ("a/b", "../a/../c/./d"), ("a/b/c", "../../x/y")],
)
def test_a_link_that_stays_inside_is_kept(place: Path, name: str, target: str) -> None:
    unpack(tarball([link(name, target)]), place)
    assert (place / name).readlink() == Path(target)


# What an attacker sends


@pytest.mark.parametrize(
    "name",
    ["../evil", f"{TOP}/../evil", f"{TOP}/a/../../evil", f"{TOP}/..", "..", f"./{TOP}/../../evil"],
)
def test_a_path_that_climbs_is_refused(place: Path, name: str) -> None:
    assert "leads out" in refused(tarball([entry(name, b"x", top="")]), place)


def test_an_absolute_path_is_refused(place: Path, tmp_path: Path) -> None:
    raw = tarball([entry(str(tmp_path / "evil"), b"x", top="")])
    assert "absolute path" in refused(raw, place)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("a", "/etc/passwd"),
        ("a", ".."),
        ("a", "../evil"),
        ("a/b", "../../evil"),
        ("a/b", "c/../../../evil"),
        ("a", "/proc/self/cwd"),
        ("a", "//"),
    ],
)
def test_a_link_that_leads_out_is_refused(place: Path, name: str, target: str) -> None:
    assert "leads out" in refused(
        tarball([folder("a/c") if name == "a/b" else folder("z"), link(name, target)]), place
    )


def test_a_link_that_leads_out_over_another_link_is_refused(place: Path) -> None:
    # As texts both stay inside: `x/y/up/..` looks like `x/y`. For the system `up` is the root.
    raw = tarball([folder("x/y"), link("x/y/evil", "up/.."), link("x/y/up", "../..")])
    assert "leads out" in refused(raw, place)


def test_a_chain_of_long_links_cannot_outrun_the_check(place: Path) -> None:
    # The way of CVE-2025-4517: paths so long, when expanded, that the system stops resolving.
    long = "d" * 247
    entries, prefix = [], ""
    for step in "abcdefghijklmnop":
        if len(prefix) + len(long) > 700:
            break
        entries += [folder(f"{prefix}{long}"), link(f"{prefix}{step}", long)]
        prefix += f"{long}/"
    entries += [link(f"{prefix}up", "../" * 2 + "a/b"), link("escape", f"a/b/up/{'../' * 12}evil")]
    assert "leads out" in refused(tarball(entries), place)


@pytest.mark.parametrize("target", ["real", "/tmp", "..", "missing"])
def test_nothing_is_written_through_a_link(place: Path, target: str) -> None:
    raw = tarball([folder("real"), link("door", target), entry("door/evil", b"x")])
    assert "under a file or a link" in refused(raw, place)


def test_a_file_does_not_replace_a_link_nor_a_link_a_folder(place: Path) -> None:
    assert "twice" in refused(tarball([link("a", "b"), entry("a", b"x")]), place)
    assert "twice" in refused(tarball([folder("a"), link("a", "b")]), place)
    assert "twice" in refused(tarball([entry("a", b"x"), entry("a", b"y")]), place)
    assert "twice" in refused(tarball([entry("a", b"x"), folder("a")]), place)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (f"{TOP}/later", "earlier file"),
        ("/etc/passwd", "absolute"),
        (f"{TOP}/../../etc/passwd", "leads out"),
        (f"{TOP}/link", "earlier file"),
        (f"{TOP}/folder", "earlier file"),
        ("elsewhere/file", "two top-level folders"),
    ],
)
def test_a_hard_link_to_anything_else_is_refused(place: Path, target: str, says: str) -> None:
    raw = tarball([folder("folder"), link("link", "folder"), hard("a", target)])
    assert says in refused(raw, place)


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, b"Z"])
def test_devices_pipes_and_unknown_kinds_are_refused(place: Path, kind: bytes) -> None:
    assert "device" in refused(tarball([entry("a", type=kind)]), place)


def test_two_top_level_folders_are_refused(place: Path) -> None:
    raw = tarball([entry("a", b"x"), entry("b", b"y", top="other")])
    assert "two top-level folders" in refused(raw, place)


def test_a_file_beside_the_top_level_folder_is_refused(place: Path) -> None:
    assert "not in a top-level folder" in refused(tarball([entry("a", b"x", top="")]), place)


# Limits


def test_the_limit_of_bytes_counts_all_files(place: Path) -> None:
    entries = [entry(str(number), b"x" * 100) for number in range(10)]
    assert unpack(tarball(entries), place, max_bytes=1000).bytes == 1000
    again = place.with_name("again")
    with pytest.raises(ArchiveError, match="more than 999 bytes"):
        unpack(tarball(entries), again, max_bytes=999)
    assert not again.exists()


def test_hard_links_cannot_multiply_a_file_beyond_the_limit(place: Path) -> None:
    entries = [entry("a", b"x" * 1000), *(hard(f"l{n}", f"{TOP}/a") for n in range(20))]
    assert "more than 10,000 bytes" in refused(tarball(entries), place, max_bytes=10_000)


def test_the_limit_of_files_counts_folders_and_links(place: Path) -> None:
    entries = [folder(""), entry("a", b""), link("b", "a"), folder("c")]
    assert unpack(tarball(entries), place, max_files=4).files == 4
    more = tarball([*entries, folder("d")])
    with pytest.raises(ArchiveError, match="more than 4 files"):
        unpack(more, place.with_name("again"), max_files=4)


def test_a_gzip_bomb_ends_at_the_limit(place: Path) -> None:
    # 200 MB of zeros in 200 kB: as a file, behind the end of the archive, and as a header.
    zeros = bytes(2 * 10**8)
    with_file = tarball([entry("a", zeros)])
    assert "more than 1,000,000 bytes" in refused(with_file, place)
    after_end = gzip.compress(gzip.decompress(tarball([entry("a", b"x")])) + zeros, 1)
    assert "more than 1,000,000 bytes" in refused(after_end, place)
    header, _ = entry("a", b"", type=tarfile.XHDTYPE, size=len(zeros))
    in_header = gzip.compress(header.tobuf(tarfile.GNU_FORMAT) + zeros, 1)
    assert "senseless size" in refused(in_header, place)


def test_a_size_that_is_not_true_is_found_out(place: Path) -> None:
    member, _ = entry("a", size=5000)
    raw = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + b"only this" + bytes(503))
    assert "early" in refused(raw, place) or "damaged" in refused(raw, place)


@pytest.mark.parametrize("size", [-512, -1])
def test_a_negative_size_is_refused(place: Path, size: int) -> None:
    member, _ = entry("a", size=size)
    raw = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(1024))
    assert "senseless size" in refused(raw, place)


def test_a_negative_size_in_an_extended_header_is_refused(place: Path) -> None:
    raw = tarball([entry("a", pax_headers={"size": "-1024"}), entry("b", b"x")])
    assert refused(raw, place) in ("The archive ends early.", "The archive is damaged.")


def test_a_long_path_is_refused(place: Path) -> None:
    assert "too long" in refused(tarball([entry("a" * 256, b"x")]), place)
    assert "too long" in refused(tarball([entry("ab/" * 400 + "c", b"x")]), place)
    assert "too long" in refused(tarball([entry("a/" * 120 + "c", b"x")]), place)
    assert "leads out" in refused(tarball([link("a", "b/" * 600)]), place)


# Damage


def test_an_archive_cut_anywhere_is_refused_or_whole(tmp_path: Path) -> None:
    noise = os.urandom(3000)
    raw = tarball([folder(""), entry("a", noise), link("b", "a"), entry("c", noise)])
    for cut in range(0, len(raw), 37):
        place = tmp_path / str(cut)
        with pytest.raises(ArchiveError):
            unpack(raw[:cut], place)
        assert not place.exists()


def test_an_archive_without_its_end_mark_is_refused(place: Path) -> None:
    whole = gzip.decompress(tarball([entry("a", b"x"), entry("b", b"y")]))
    assert "ends early" in refused(gzip.compress(whole[:1024]), place)


def test_a_wrong_checksum_is_refused(place: Path) -> None:
    raw = bytearray(tarball([entry("a", b"x")]))
    raw[-6] ^= 1
    assert "checksum" in refused(bytes(raw), place)


@pytest.mark.parametrize(
    "raw", [b"", b"<html>not found</html>", bytes(4096), b"\x1f\x8b" + b"x" * 99]
)
def test_what_is_no_archive_is_refused(place: Path, raw: bytes) -> None:
    assert refused(raw, place).startswith("The archive")
    assert refused(gzip.compress(raw), place).startswith("The archive")


def test_a_message_is_printable_whatever_the_names_are(place: Path) -> None:
    member, _ = entry("\x1b[31m\n\udcff" + "x" * 300)
    message = refused(tarball([(member, b"")], tarfile.GNU_FORMAT), place)
    assert message.isprintable()
    assert message.encode()
    assert len(message) < 300


def test_an_existing_destination_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(FileExistsError):
        unpack(tarball([entry("a", b"x")]), tmp_path)
    assert (tmp_path / "mine").read_text() == "keep"


# Whatever comes

PARTS = st.sampled_from(["a", "b", "..", ".", "", "c", "up"])
PATHS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)
ENTRIES = st.one_of(
    st.builds(entry, PATHS, st.binary(max_size=20)),
    st.builds(link, PATHS, PATHS),
    st.builds(hard, PATHS, PATHS.map(lambda path: f"{TOP}/{path}")),
    st.builds(folder, PATHS),
)


@given(st.lists(ENTRIES, max_size=8))
def test_no_mixture_of_entries_gets_out(
    tmp_path_factory: pytest.TempPathFactory, entries: list[Any]
) -> None:
    home = tmp_path_factory.mktemp("home")
    place = home / "tree"
    try:
        unpack(tarball(entries), place)
    except ArchiveError:
        assert list(home.iterdir()) == []
        return
    assert list(home.iterdir()) == [place]
    root = os.path.realpath(place)
    for path in place.rglob("*"):
        assert os.path.realpath(path).startswith(root)


@given(st.data())
def test_no_damage_gives_another_error_or_leaves_anything(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    whole = bytearray(gzip.decompress(tarball([folder(""), entry("é" * 60, b"x"), link("b", "a")])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    home = tmp_path_factory.mktemp("home")
    try:
        unpack(gzip.compress(bytes(whole)), home / "tree")
    except ArchiveError:
        assert list(home.iterdir()) == []
