"""Source: the files of exactly the run's commit, unpacked safely."""

import shutil
import tempfile
from pathlib import Path

from config.database import transaction
from config.settings import settings
from pipeline import runs
from pipeline.archive import ArchiveError, extract
from pipeline.errands.asking import ask_for_head
from pipeline.github import reading
from pipeline.github.client import (
    GitHubAway,
    GitHubHeld,
    GitHubRefused,
    download_tarball,
    speaking,
)
from pipeline.stages.base import Result, StageError
from pipeline.stages.context import RunContext, Superseded

_DOUBTS = 3
"""So often a 403 or 404 is taken for GitHub's: a fresh installation is unknown for some seconds."""


class SourceResult(Result):
    """What was checked out."""

    sha: str
    files: int
    bytes: int


def source(context: RunContext) -> SourceResult:
    """Fetch the commit.

    Raises:
        Superseded: the branch has moved on.
        StageError: `yours` when the commit is gone, too large or unsafe to unpack; `ours` when
            GitHub cannot answer now.
    """
    try:
        _give_way_to_newer(context)
        tree = checkout(context)
    except GitHubAway as error:
        raise StageError(
            "GitHub does not hand out the source right now",
            f"{error}. Sigil tries again by itself.",
            fault="ours",
            retry_at=error.retry_at,
            held=isinstance(error, GitHubHeld),
        ) from None
    except GitHubRefused as error:
        if error.status in (403, 404) and context.run.retries < _DOUBTS:
            raise StageError(
                "GitHub does not know this repository yet",
                f"{error}. Sigil tries again by itself.",
                fault="ours",
            ) from None
        raise StageError(
            "GitHub does not hand out the source",
            f"{error}. Does the commit still exist, and may the App read the contents of this "
            "repository? Check the App's permissions, then re-run.",
        ) from None
    files = [path for path in tree.rglob("*") if path.is_file() and not path.is_symlink()]
    size = sum(path.stat().st_size for path in files)
    context.log(f"{len(files)} files, {size:,} bytes at {context.run.sha}")
    return SourceResult(sha=context.run.sha, files=len(files), bytes=size)


def checkout(context: RunContext) -> Path:
    """The folder with the commit's files; fetched when this machine does not have it yet.

    Raises:
        GitHubAway, GitHubRefused: as the client says.
        StageError: the archive is too large or unsafe.
    """
    tree = context.work / "tree"
    if tree.exists():
        return tree
    context.work.mkdir(parents=True, exist_ok=True)
    repository, run = context.repository, context.run
    with tempfile.TemporaryDirectory(dir=context.work) as folder:
        archive, unpacked = Path(folder) / "source.tar.gz", Path(folder) / "tree"
        context.log(f"fetching {repository.full_name} at {run.sha}")
        limit = settings().source_max_bytes
        try:
            download_tarball(
                repository.installation_id,
                repository.owner,
                repository.name,
                run.sha,
                archive,
                max_bytes=limit,
                check=context.stop.check,
            )
            with archive.open("rb") as file:
                extract(file, unpacked, max_bytes=limit, max_files=settings().source_max_files)
        except OverflowError:
            raise StageError(
                "The repository is too large",
                f"Its archive is larger than the limit of {limit:,} bytes. Remove large files, or "
                "ask the operator to raise SIGIL_SOURCE_MAX_BYTES.",
            ) from None
        except ArchiveError as error:
            raise StageError("The repository cannot be unpacked", str(error)) from None
        # One rename, so that a tree is whole or absent, whoever died in between.
        try:
            unpacked.rename(tree)
        except OSError:
            if not tree.exists():
                raise
    return tree


def forget(context: RunContext) -> None:
    """Remove the run's work folder."""
    shutil.rmtree(context.work, ignore_errors=True)


def _give_way_to_newer(context: RunContext) -> None:
    """A push that arrives late must not deploy over what the branch has become since.

    A re-run was asked for by a person, and brings its commit whatever the branch says.
    """
    run, repository = context.run, context.repository
    branch = run.ref.removeprefix("refs/heads/")
    if run.kind != "deploy" or branch == run.ref or run.requested:
        return
    with speaking(repository.installation_id) as github:
        head = reading.head_of(github, repository, branch)
        if head is None or head == run.sha:
            return
        compared = github.rest.repos.compare_commits(
            repository.owner, repository.name, f"{run.sha}...{head}", per_page=1
        ).parsed_data.status
    # "behind" is an old answer: GitHub's references may lag behind its events. A newer commit that
    # nobody wants deployed does not stop this one, and of one without a run it is not known.
    if compared in ("ahead", "diverged") and _is_wanted(context, head):
        raise Superseded(by=head)


def _is_wanted(context: RunContext, head: str) -> bool:
    run = context.run
    with transaction() as connection:
        found = runs.latest_of_commit(connection, context.repository.id, head)
        same = [one for one in found if (one.kind, one.environment) == (run.kind, run.environment)]
        # One that a late event of this commit has superseded would never run.
        if all(one.state == "superseded" for one in same):
            branch = run.ref.removeprefix("refs/heads/")
            ask_for_head(connection, context.repository.id, branch, head, delivery_id=None)
    return any(one.state != "skipped" for one in same)
