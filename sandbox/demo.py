"""`make demo`: pushes a server through the whole system and calls one of its tools."""

import contextlib
import json
import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests
import yaml
from rich.console import Console
from rich.table import Table

from config.database import close_pool
from config.settings import settings
from pipeline import deployments
from pipeline.overview.deliveries import list_deliveries
from pipeline.overview.paging import Window, reading
from pipeline.overview.runs import RunRow, get_run, list_runs
from sandbox.command import DEMO, CommandFailed, plain_failures, stack_in, the_only_demo
from sandbox.github_account import Account
from sandbox.record import SandboxRecord
from sandbox.repository import GitFailed, WorkingCopy, sample, users_own
from sandbox.run_view import explain_failure, follow
from sandbox.stack import Stack
from sandbox.tool_call import ToolCall, ToolCallFailed, call_a_tool

PERIOD = 0.3
RUN_APPEARS_SECONDS = 90


@dataclass(frozen=True)
class Options:
    """What the caller asked for.

    Attributes:
        repo: The user's own repository, or None for the sample.
        once: End after the tool call.
        tool: The tool to call; empty for any.
        arguments: Its arguments; None to make them up.
    """

    repo: Path | None
    once: bool
    tool: str
    arguments: dict[str, Any] | None

    @classmethod
    def from_environment(cls) -> "Options":
        """The options from `REPO`, `ONCE`, `TOOL` and `ARGS`.

        Raises:
            CommandFailed: when `ARGS` is not a JSON object.
        """
        repo, text = os.environ.get("REPO", ""), os.environ.get("ARGS", "")
        try:
            arguments = json.loads(text) if text else None
        except ValueError as error:
            raise CommandFailed(f"ARGS is not JSON: {error}") from error
        if arguments is not None and not isinstance(arguments, dict):
            raise CommandFailed('ARGS has to be a JSON object, such as {"day": "2026-01-31"}.')
        return cls(
            repo=Path(repo) if repo else None,
            once=os.environ.get("ONCE", "") not in ("", "0"),
            tool=os.environ.get("TOOL", ""),
            arguments=arguments,
        )


def check_needs(repo: Path, host: str) -> None:
    """Say at once what a build of the user's repository will ask of this machine.

    Raises:
        CommandFailed: when a program is missing.
    """
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if host == "process" and missing and _runtime(repo.expanduser() / "mcp.yaml") == "node":
        raise CommandFailed(
            f"REPO={repo} is a Node server, no docker engine can build it here, and "
            f"{' and '.join(missing)} is not on the PATH. On Debian and Ubuntu: "
            "apt-get install nodejs npm"
        )


def _runtime(manifest: Path) -> str:
    """The runtime that an mcp.yaml names; empty when it is not a manifest at all."""
    try:
        runtime = yaml.safe_load(manifest.read_text())["runtime"]
        return str(runtime["type"] if isinstance(runtime, dict) else runtime)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return ""  # The run says what is wrong with it, with line numbers.


def demo(console: Console, stack: Stack) -> None:
    """Run the demo until Ctrl-C, or to the tool call; leave nothing running behind.

    Raises:
        CommandFailed: the run or the tool call failed, when the demo was to end after it.
    """
    options = Options.from_environment()
    if options.repo:
        check_needs(options.repo, stack.host)
    with the_only_demo(stack.places.folder):
        # What a demo that was killed left behind.
        stack.stop()
        try:
            _play(console, stack, options)
        except KeyboardInterrupt:
            console.print()
        finally:
            _stop(console, stack)


def _stop(console: Console, stack: Stack) -> None:
    # A second Ctrl-C would leave processes behind.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    close_pool()
    with console.status("Stopping everything …"):
        stack.stop()
    console.print("Stopped. Nothing is left running; logs are in", str(stack.places.logs))


def _play(console: Console, stack: Stack, options: Options) -> None:
    with console.status("Starting PostgreSQL, Redis, GitHub's stand-in and Sigil …"):
        record = stack.start()
    _speak_to(record)
    console.print(f"Sigil runs at {record.web_url}, GitHub's stand-in at {record.github_url}.")
    console.print(record.host_text, style="dim")
    account = Account.read(stack.places.github)
    copy = _working_copy(stack.places.folder / "repositories", options.repo)
    full_name = account.create_repository(copy.name)
    remote = account.remote(full_name)
    for note in copy.notes:
        console.print(f"Note: {note}", markup=False)
    console.print(f"\n$ git push {record.github_url}/{full_name}.git main", style="bold")
    pushed = copy.push(remote)
    console.print(pushed.replace(account.token, "***"), style="dim", markup=False)
    run = _wait_for_run(full_name, copy.head())
    last, problem = run.id, _show(console, record, account, run, options)
    if problem and options.once:
        raise CommandFailed(problem)
    if options.once:
        return
    if problem:
        console.print(problem, style="red", markup=False)
    _invite(console, copy, remote)
    while True:
        # PostgreSQL may be away for a moment; whoever stopped it wants to see what happens then.
        with contextlib.suppress(psycopg.OperationalError):
            last = _show_newer(console, record, account, options, last)
        time.sleep(PERIOD)


def _speak_to(record: SandboxRecord) -> None:
    """Make this process read the sandbox's database, whatever its environment said."""
    os.environ["DATABASE_URL"] = record.database_url
    os.environ["REDIS_URL"] = record.redis_url
    settings.cache_clear()


def _working_copy(folder: Path, repo: Path | None) -> WorkingCopy:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        return users_own(repo, folder) if repo else sample(folder)
    except GitFailed as error:
        raise CommandFailed(str(error)) from error


def _wait_for_run(full_name: str, sha: str) -> RunRow:
    give_up = time.monotonic() + RUN_APPEARS_SECONDS
    while time.monotonic() < give_up:
        with reading() as connection:
            runs = list_runs(connection, Window(), repository=full_name, sha=sha).rows
            pushes = list_deliveries(connection, Window(), event="push", repository=full_name).rows
        if runs:
            return runs[-1]
        for push in pushes:
            if push.state in ("ignored", "dead"):
                raise CommandFailed(f"The push was {push.state}: {push.reason}")
        time.sleep(PERIOD)
    raise CommandFailed(
        f"No run came of the push within {RUN_APPEARS_SECONDS} s. The logs of web and worker say "
        "why."
    )


def _show(
    console: Console, record: SandboxRecord, account: Account, run: RunRow, options: Options
) -> str:
    """Follow a run, call a tool when it is live, print the addresses; return what went wrong."""
    console.print(
        f"\nRun {run.id}: {run.repository} {run.sha[:7]} → {run.environment}",
        style="bold",
        markup=False,
    )
    ended = follow(console, run.id).run
    if ended.state != "succeeded":
        explain_failure(console, run.id)
        _addresses(console, record, run, endpoint="")
        return f"The run {ended.state}: {ended.title}"
    console.print(f"{ended.title} ({_since(ended.created_at, ended.finished_at)})", style="green")
    conclusion = _check_conclusion(account, run)
    with reading() as connection:
        deployment = deployments.of_run(connection, run.id)
    assert deployment is not None
    try:
        _report_call(console, call_a_tool(deployment.url, options.tool, options.arguments))
    except ToolCallFailed as error:
        console.print(f"No tool could be called.\n{error}", style="red", markup=False)
        _addresses(console, record, run, endpoint=deployment.url)
        return "No tool of the server could be called."
    _addresses(console, record, run, endpoint=deployment.url)
    return "" if conclusion == "success" else f"The check run says: {conclusion}."


def _since(start: Any, end: Any) -> str:
    return f"{(end - start).total_seconds():.1f} s after the push arrived"


def _check_conclusion(account: Account, run: RunRow) -> str:
    """What GitHub's check run says about the run, once the report has arrived there."""
    give_up = time.monotonic() + RUN_APPEARS_SECONDS
    conclusion = ""
    while not conclusion and time.monotonic() < give_up:
        with reading() as connection:
            now = get_run(connection, run.id)
        if now is not None and now.check_run_id is not None:
            try:
                conclusion = account.check_conclusion(run.repository, now.check_run_id)
            except requests.RequestException as error:
                conclusion = f"not to be read ({error})"
        time.sleep(PERIOD)
    return conclusion or "nothing yet"


def _report_call(console: Console, call: ToolCall) -> None:
    arguments = json.dumps(call.arguments, ensure_ascii=False)
    console.print(f"\nThe official MCP client, speaking MCP {call.protocol} with {call.server}:")
    console.print(f"  tools   {', '.join(call.tools)}", markup=False)
    console.print(f"  call    {call.tool}({arguments})", markup=False)
    lines = call.result.splitlines() or [""]
    shown = [*lines[:20], "…"] if len(lines) > 20 else lines
    console.print("  result  " + "\n          ".join(shown), style="bold green", markup=False)


def _addresses(console: Console, record: SandboxRecord, run: RunRow, *, endpoint: str) -> None:
    with reading() as connection:
        now = get_run(connection, run.id)
    table = Table.grid(padding=(0, 2))
    table.add_row("status page", record.web_url)
    table.add_row("this run", f"{record.web_url}/runs/{run.id}")
    table.add_row("repository", f"{record.github_url}/{run.repository}")
    if now is not None and now.check_run_id is not None:
        page = f"{record.github_url}/{run.repository}/runs/{now.check_run_id}"
        table.add_row("check run", page)
    if endpoint:
        table.add_row("MCP endpoint", endpoint)
    console.print()
    console.print(table)


def _invite(console: Console, copy: WorkingCopy, remote: str) -> None:
    if copy.own:
        push = f"git -C {copy.folder} push {remote} HEAD:main"
        text = "Commit a change and push it, and it is deployed too:"
    else:
        push = f"git -C {copy.folder} push origin HEAD:main"
        text = f"Change and commit something in {copy.folder}, and push it:"
    console.print(f"\n{text}\n  {push}", markup=False)
    console.print(f"The remote, with this sandbox's own token in it: {remote}", markup=False)
    console.print("Ctrl-C stops everything.")


def _show_newer(
    console: Console, record: SandboxRecord, account: Account, options: Options, last: int
) -> int:
    """Show the runs that came after run `last`; return the newest one's id."""
    with reading() as connection:
        newer = list_runs(connection, Window(after=last)).rows
    for run in reversed(newer):
        problem = _show(console, record, account, run, options)
        if problem:
            console.print(problem, style="red", markup=False)
        console.print("Ctrl-C stops everything.")
    return max([last, *(run.id for run in newer)])


def main() -> None:
    """The command behind `make demo`."""
    console = Console(highlight=False, soft_wrap=True)
    with plain_failures(console):
        demo(console, stack_in(DEMO))


if __name__ == "__main__":
    main()
