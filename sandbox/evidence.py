"""Fetches evidence from outside: GitHub's own description of its API and of its webhooks.

The packages come from npm, are kept in a folder and fetched once. Nothing at run time needs them.
"""

import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path("var/evidence")


class EvidenceMissing(Exception):
    """The evidence is not there and cannot be fetched. The text says what to do."""


@dataclass(frozen=True)
class Package:
    """One file of one version of an npm package."""

    name: str
    version: str
    member: str


REST = Package("@octokit/openapi", "23.0.2", "generated/api.github.com.json")
WEBHOOKS = Package("@octokit/openapi-webhooks", "12.1.0", "generated/api.github.com.json")
EXAMPLES = Package("@octokit/webhooks-examples", "7.6.1", "api.github.com/index.json")
ALL = (REST, WEBHOOKS, EXAMPLES)


def fetch(package: Package, folder: Path = FOLDER) -> Path:
    """The package's file, fetched when it is not in `folder` yet.

    Raises:
        EvidenceMissing: when npm is missing or does not get the package.
    """
    kept = folder / f"{package.name.replace('/', '-')}-{package.version}.json"
    if kept.exists():
        return kept
    npm = shutil.which("npm")
    if npm is None:
        raise EvidenceMissing(
            f"{package.name} {package.version} is fetched with npm, which is not installed. "
            f"Install npm, or put the package's {package.member} at {kept}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        # Moved into place at the end, so that a broken download is never taken for evidence.
        _unpack(_pack(npm, package, Path(name)), package, Path(name) / "file").replace(kept)
    return kept


def _pack(npm: str, package: Package, folder: Path) -> Path:
    wanted = f"{package.name}@{package.version}"
    done = subprocess.run(
        [npm, "pack", "--silent", wanted], cwd=folder, capture_output=True, text=True, check=False
    )
    archives = list(folder.glob("*.tgz"))
    if done.returncode or len(archives) != 1:
        raise EvidenceMissing(f"npm could not fetch {wanted}: {done.stderr.strip()[-500:]}")
    return archives[0]


def _unpack(archive: Path, package: Package, target: Path) -> Path:
    with tarfile.open(archive) as tar:
        source = tar.extractfile(f"package/{package.member}")
        if source is None:
            raise EvidenceMissing(f"{package.name} {package.version} has no {package.member}")
        with source, target.open("wb") as file:
            shutil.copyfileobj(source, file)
    return target


def main() -> int:
    """Fetch everything, for `python -m sandbox.evidence`."""
    try:
        for package in ALL:
            print(fetch(package))
    except EvidenceMissing as missing:
        print(missing, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
