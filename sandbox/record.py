"""`sandbox.json`: what other tools need to talk to a running sandbox."""

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SandboxRecord:
    """A running sandbox. Holds secrets of the sandbox's own, so its file is its owner's alone.

    Attributes:
        web_url: Sigil's pages and its webhook receiver.
        webhook_url: Where GitHub delivers to.
        webhook_secret: Signs the deliveries.
        github_url: The GitHub stand-in's pages, and the root of its git URLs.
        github_api_url: Its REST API.
        git_url: `https://…` form of a repository to clone or push, with `{owner}` and `{name}`
            to fill in. Takes the user's token as the password.
        github_app_id: The App's id.
        github_private_key_file: The App's private key, PEM.
        github_installation_id: The App's installation on the user's account.
        github_user: The account's login.
        github_user_token: The account's token: REST (`Authorization: Bearer`) and git.
        database_url: Sigil's PostgreSQL.
        redis_url: Sigil's Redis.
        servers_folder: What Sigil builds and runs (`SIGIL_VAR`).
        log_folder: One log file for each process.
        host: `docker` or `process`, where servers run; `auto` is docker while an engine answers.
        host_reason: Why there, for people.
        instance: The name that this Sigil gave itself; marks its containers.
        supervisor_pid: The process manager, parent of all the sandbox's processes.
        supervisor_socket: Where it takes supervisor's XML-RPC.
    """

    web_url: str
    webhook_url: str
    webhook_secret: str
    github_url: str
    github_api_url: str
    git_url: str
    github_app_id: str
    github_private_key_file: str
    github_installation_id: int
    github_user: str
    github_user_token: str
    database_url: str
    redis_url: str
    servers_folder: str
    log_folder: str
    host: str
    host_reason: str
    instance: str
    supervisor_pid: int
    supervisor_socket: str

    @property
    def host_text(self) -> str:
        """Where servers run and why, in one sentence."""
        where = "as plain processes" if self.host == "process" else "in containers"
        return f"Servers run {where}: {self.host_reason}."


def write(path: Path, record: SandboxRecord) -> None:
    """Write `record`, readable to its owner alone; a reader never sees half of it."""
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(json.dumps(dataclasses.asdict(record), indent=2) + "\n")
    unfinished.replace(path)


def read(path: Path) -> SandboxRecord | None:
    """The record in `path`, or None when there is none or another version of Sigil wrote it."""
    try:
        return SandboxRecord(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError):
        return None
