"""The build context that is sent to the engine: the source folder without what must stay out."""

from pathlib import Path
from typing import IO, cast

from docker.utils.build import create_archive, exclude_paths

DOCKERFILE = ".sigil.Dockerfile"

# Never part of an image, whatever the repository's .dockerignore says: history, and installed
# files that belong to another machine.
_ALWAYS_OUT = (".git", "**/node_modules", "**/.venv", "**/__pycache__", DOCKERFILE)


def pack(folder: Path, *, dockerfile: str | None, keep: str = "Dockerfile") -> IO[bytes]:
    """A tar archive of `folder`, open at its start; it goes away when it is closed.

    Args:
        dockerfile: A rendered Dockerfile to add as `DOCKERFILE`, or None for the folder's own.
        keep: The path of the folder's own Dockerfile, which may not be ignored.
    """
    patterns = [*_ignored(folder), *_ALWAYS_OUT]
    files = sorted(exclude_paths(str(folder), list(patterns), dockerfile=keep))
    extra = []
    if dockerfile is not None:
        # The engine reads the Dockerfile, then takes what .dockerignore names out of the context,
        # so that neither file ends up beside the server's source.
        ignored = "\n".join([*patterns, DOCKERFILE, ".dockerignore"])
        extra = [(DOCKERFILE, dockerfile), (".dockerignore", ignored)]
    return cast(IO[bytes], create_archive(str(folder), files=files, extra_files=extra))


def _ignored(folder: Path) -> list[str]:
    """The patterns of the folder's .dockerignore.

    Source: https://docs.docker.com/build/concepts/context/#dockerignore-files
    """
    path = folder / ".dockerignore"
    if not path.is_file():
        return []
    lines = (line.strip() for line in path.read_text(errors="replace").splitlines())
    return [line for line in lines if line and not line.startswith("#")]
