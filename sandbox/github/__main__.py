"""`python -m sandbox.github`: the stand-in as a process. It says where it is in `github.json`."""

import argparse
import json
import signal
import sys
import threading
from pathlib import Path

from sandbox.github.server import GitHubStandIn


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.github", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on")
    parser.add_argument("--folder", type=Path, default=Path("var/github"))
    parser.add_argument("--webhook-url", default="", help="where webhooks go")
    parser.add_argument("--webhook-secret-file", type=Path, help="signs the webhooks")
    parser.add_argument("--private-key-file", type=Path, help="the App's key; made when missing")
    parser.add_argument("--login", default="octocat", help="the user who owns everything")
    return parser.parse_args()


def main() -> int:
    """Serve until SIGTERM or SIGINT."""
    arguments = _arguments()
    # Whoever waits for the facts must not find those of an earlier process.
    (arguments.folder / "github.json").unlink(missing_ok=True)
    secret_file: Path | None = arguments.webhook_secret_file
    try:
        secret = secret_file.read_text().strip() if secret_file else ""
        github = GitHubStandIn(
            arguments.folder,
            webhook_url=arguments.webhook_url,
            webhook_secret=secret,
            host=arguments.host,
            port=arguments.port,
            login=arguments.login,
            private_key_file=arguments.private_key_file,
        )
    except OSError as error:
        print(f"The GitHub stand-in cannot start: {error}", file=sys.stderr)
        return 1
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with github:
        _write_facts(github, arguments.folder / "github.json")
        print(f"GitHub stand-in on {github.url}", flush=True)
        ended.wait()
    return 0


def _write_facts(github: GitHubStandIn, path: Path) -> None:
    facts = {
        "url": github.url,
        "api_url": github.url,
        "app_id": github.app_id,
        "app_slug": github.world.app.slug,
        "private_key_file": str(github.private_key_file),
        "login": github.user.login,
        "token": github.token,
    }
    # Written aside and moved, so that whoever waits for the file never reads half of it.
    draft = path.with_suffix(".tmp")
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(facts, indent=2) + "\n")
    draft.replace(path)


if __name__ == "__main__":
    sys.exit(main())
