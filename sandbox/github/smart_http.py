"""git over HTTP: clone, fetch and push through `git http-backend`, and the archives' download.

A push is compared with what was there before it, and announced.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from typing import IO

from flask import Blueprint, Response, request

from sandbox.github import pushes
from sandbox.github.endpoints.contents import archive
from sandbox.github.errors import GitHubError
from sandbox.github.git import environment
from sandbox.github.identity import Caller, identify
from sandbox.github.routing import Services
from sandbox.github.world import Repository

_CHUNK = 64 * 1024


class Refusal(Exception):
    """An answer to git other than success; git shows the text to its user."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


def blueprint(services: Services) -> Blueprint:
    """The routes that git itself calls."""
    routes = Blueprint("git", __name__)

    @routes.get("/<owner>/<repo>/info/refs")
    def info_refs(owner: str, repo: str) -> Response:
        return _serve(services, owner, repo, "info/refs", request.args.get("service", ""))

    @routes.post("/<owner>/<repo>/git-upload-pack")
    def upload_pack(owner: str, repo: str) -> Response:
        return _serve(services, owner, repo, "git-upload-pack", "git-upload-pack")

    @routes.post("/<owner>/<repo>/git-receive-pack")
    def receive_pack(owner: str, repo: str) -> Response:
        return _serve(services, owner, repo, "git-receive-pack", "git-receive-pack")

    @routes.get("/<owner>/<repo>/legacy.tar.gz/<commit>")
    def download(owner: str, repo: str, commit: str) -> Response:
        repository = services.world.repository(owner, repo)
        if repository is None:
            return Response("404: Not Found", 404, mimetype="text/plain")
        return archive(services.world, repository, commit, request.args.get("token", ""))

    return routes


def _serve(services: Services, owner: str, repo: str, path: str, service: str) -> Response:
    fault = services.faults.take(request.method, request.path, request.path)
    if fault:
        try:
            return services.faults.strike(fault, "git", None)
        except GitHubError as refusal:
            return Response(refusal.message, refusal.status, mimetype="text/plain")
    try:
        if former := _former(services, owner, repo):
            return former
        repository, caller = _admit(services, owner, repo, write=service == "git-receive-pack")
    except Refusal as refusal:
        headers = {"WWW-Authenticate": 'Basic realm="GitHub"'} if refusal.status == 401 else {}
        return Response(f"{refusal}\n", refusal.status, headers=headers, mimetype="text/plain")
    if path == "git-receive-pack":
        return _push(services, repository, caller)
    return _streamed(_backend(repository, path, caller, _request_file()))


def _former(services: Services, owner: str, repo: str) -> Response | None:
    """A redirect, when the repository had that name before."""
    world, name = services.world, repo.removesuffix(".git")
    former = world.former(f"{owner}/{name}") if world.repository(owner, name) is None else None
    if former is None or (former.private and request.authorization is None):
        return None
    url = request.url.replace(f"/{owner}/{repo}/", f"/{former.full_name}.git/", 1)
    return Response(status=301 if request.method == "GET" else 307, headers={"Location": url})


def _admit(services: Services, owner: str, repo: str, *, write: bool) -> tuple[Repository, Caller]:
    repository = services.world.repository(owner, repo.removesuffix(".git"))
    try:
        caller = identify(services.world, request.authorization)
    except GitHubError as error:
        text = "Invalid username or token. Password authentication is not supported for Git "
        raise Refusal(401 if error.status == 401 else 403, text + "operations.") from None
    if caller.anonymous and (write or repository is None or repository.private):
        raise Refusal(401, "Repository not found.")
    if repository is None or (repository.private and not caller.reaches(repository)):
        raise Refusal(404, "Repository not found.")
    allowed = caller.may(repository, "contents", "write" if write else "read")
    if not allowed and (write or repository.private):
        words = f"Permission to {repository.full_name}.git denied to {caller.account.login}."
        raise Refusal(403, words)
    if write and repository.archived:
        raise Refusal(403, "This repository was archived so it is read-only.")
    return repository, caller


def _request_file() -> IO[bytes]:
    """The request's body as a file, because a pack may be larger than memory."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  the process that reads it ends later
    while chunk := request.stream.read(_CHUNK):
        file.write(chunk)
    file.seek(0)
    return file


def _backend(
    repository: Repository, path: str, caller: Caller, body: IO[bytes]
) -> subprocess.Popen[bytes]:
    variables = {
        "GIT_PROJECT_ROOT": str(repository.git.path.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "PATH_INFO": f"/{repository.git.path.name}/{path}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query_string.decode(),
        "CONTENT_TYPE": request.headers.get("Content-Type", ""),
        "HTTP_CONTENT_ENCODING": request.headers.get("Content-Encoding", ""),
        "HTTP_GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        "REMOTE_ADDR": request.remote_addr or "",
        "REMOTE_USER": "" if caller.anonymous else caller.account.login,
    }
    process = subprocess.Popen(
        ["git", "http-backend"],
        env=environment() | variables,
        stdin=body,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    body.close()
    return process


def _head(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, str]]:
    """Status and headers that the CGI program wrote before its body."""
    assert process.stdout is not None
    status, headers = 200, {}
    while line := process.stdout.readline().strip():
        name, _, value = line.decode().partition(": ")
        if name == "Status":
            status = int(value.split()[0])
        else:
            headers[name] = value
    return status, headers


def _streamed(process: subprocess.Popen[bytes]) -> Response:
    status, headers = _head(process)

    def body() -> Iterator[bytes]:
        assert process.stdout is not None
        try:
            while chunk := process.stdout.read(_CHUNK):
                yield chunk
        finally:
            process.stdout.close()
            process.wait()

    return Response(body(), status, headers=headers)


def _push(services: Services, repository: Repository, caller: Caller) -> Response:
    body = _request_file()
    with repository.push_lock:
        before = repository.git.refs()
        process = _backend(repository, "git-receive-pack", caller, body)
        status, headers = _head(process)
        output, _ = process.communicate()
        after = repository.git.refs()
        pushes.announce(services.world, services.events, repository, caller.account, before, after)
    return Response(output, status, headers=headers)
