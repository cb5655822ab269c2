"""The part of a checked-out commit that is built, for both builders."""

from pathlib import Path

from pipeline.builders.base import BuildInput
from pipeline.builders.lockfiles import UnreadableFile
from pipeline.stages.base import Annotation, StageError


def source_folder(request: BuildInput) -> Path:
    """The folder that `build.context` names.

    Raises:
        StageError: `yours`, when it is not a folder inside the repository.
    """
    root = request.tree.resolve()
    folder = (root / request.manifest.build.context).resolve()
    if not folder.is_relative_to(root) or not folder.is_dir():
        raise StageError(
            title=f"There is no folder {request.manifest.build.context} in the repository",
            detail="`build.context` in mcp.yaml names a folder of this commit. Correct the name.",
        )
    return folder


def unreadable(error: UnreadableFile, context: str) -> StageError:
    """What to tell the author about a file that cannot be parsed."""
    path = error.path if context == "." else f"{context.rstrip('/')}/{error.path}"
    return StageError(
        title=f"{path} cannot be read",
        detail=f"{error.reason}. Correct the file and push again.",
        annotations=(Annotation(path=path, line=1, message=error.reason),),
    )
