"""Skips the tests that this machine cannot run, and says plainly at the end which and why.

With `CI=true` or `SIGIL_TEST_STRICT=1` a skip is a failure: there, everything has to be installed.
"""

import functools
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable

import docker
import pytest
import requests
from docker.errors import DockerException
from playwright._impl._driver import compute_driver_executable


@functools.cache
def lacks_docker() -> str:
    """Why docker tests cannot run, or an empty text."""
    try:
        client = docker.DockerClient.from_env(timeout=5)
        client.ping()
    except (DockerException, requests.RequestException):
        return "no docker engine answers (install docker.io and start dockerd)"
    client.close()
    return ""


@functools.cache
def lacks_node() -> str:
    """Why tests with Node servers cannot run, or an empty text."""
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    return f"{' and '.join(missing)} not on the PATH (install nodejs and npm)" if missing else ""


@functools.cache
def lacks_browser() -> str:
    """Why browser tests cannot run, or an empty text."""
    if not any(shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome")):
        return "no chromium on the PATH (install chromium)"
    driver, *_ = compute_driver_executable()
    if subprocess.run([driver, "--version"], capture_output=True, check=False).returncode != 0:
        return "playwright's own node does not start (install libatomic1)"
    return ""


LACKS: dict[str, Callable[[], str]] = {
    "docker": lacks_docker,
    "node": lacks_node,
    "browser": lacks_browser,
}


def strict() -> bool:
    """Whether a skip is a failure."""
    return os.environ.get("CI") == "true" or os.environ.get("SIGIL_TEST_STRICT") == "1"


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip, or fail, a test whose marker names something that this machine lacks."""
    for marker, lacks in LACKS.items():
        if item.get_closest_marker(marker) is None:
            continue
        reason = lacks()
        if reason and strict():
            pytest.fail(f"{marker}: {reason}", pytrace=False)
        if reason:
            pytest.skip(f"{marker}: {reason}")


def _skipped(reporter: pytest.TerminalReporter) -> Counter[str]:
    reasons: Counter[str] = Counter()
    for report in reporter.stats.get("skipped", []):
        text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        reasons[text.removeprefix("Skipped: ")] += 1
    return reasons


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where nothing may be skipped, fail when something was."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and strict() and reporter is not None and _skipped(reporter):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what was not run on this machine."""
    reasons = _skipped(terminalreporter)
    if not reasons:
        terminalreporter.write_line("Nothing was skipped.")
        return
    terminalreporter.section("not run on this machine")
    for reason, number in reasons.most_common():
        terminalreporter.write_line(f"{number} test{'' if number == 1 else 's'}: {reason}")
    if strict():
        terminalreporter.write_line("With CI=true nothing may be skipped, so this run fails.")
