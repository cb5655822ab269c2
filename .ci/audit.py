"""Fails when a pinned package has a known vulnerability, and says which pins were not audited.

`pip-audit` ends with success when the vulnerability service knows nothing of a package or cannot
be reached, and so may a mirror for `npm audit`; that is no proof, so it is told apart here from a
clean audit.
"""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICES = ("pypi", "osv")
# The development pins include all that Sigil itself runs; the bridges run beside servers.
PYTHON_PINS = ("requirements-dev.txt", "templates/bridges/python/requirements.txt")
NODE_PINS = "templates/bridges/node"


@dataclass
class Report:
    """What is known of one file of pins.

    Attributes:
        names: The packages that are pinned, as far as they were told.
        audited: Those that a service knew.
        vulnerable: One line for each known vulnerability.
    """

    names: set[str] = field(default_factory=set)
    audited: set[str] = field(default_factory=set)
    vulnerable: set[str] = field(default_factory=set)


def audit_python(pins: str) -> Report:
    """What pip-audit finds in `pins`, asking one service after the other for what is left."""
    report = Report()
    for service in SERVICES:
        for finding in _findings(pins, service):
            report.names.add(finding["name"])
            if "skip_reason" in finding:
                continue
            report.audited.add(finding["name"])
            for vulnerability in finding["vulns"]:
                fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
                where = f"{finding['name']} {finding['version']}: {vulnerability['id']}"
                report.vulnerable.add(f"{where}, fixed in {fixed}")
        if report.audited and report.audited == report.names:
            break
    return report


def _findings(pins: str, service: str) -> list[dict[str, Any]]:
    """pip-audit's finding for each pinned package; empty when the service cannot be reached."""
    command = [sys.executable, "-m", "pip_audit", "--progress-spinner", "off", "--no-deps"]
    command += ["--disable-pip", "--vulnerability-service", service, "-r", pins, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        findings: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except ValueError:
        lines = done.stderr.strip().splitlines()
        print(f"  {service} does not answer: {lines[-1] if lines else 'no message'}")
        return []
    return findings


def audit_node(folder: str) -> Report:
    """What `npm audit` finds in the lock file of `folder`."""
    # npm comes with the development packages.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    npm = shutil.which("npm", path=path)
    if npm is None:
        print("  npm is not here")
        return Report()
    done = subprocess.run(
        [npm, "audit", "--package-lock-only", "--json"],
        cwd=folder,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        answer = json.loads(done.stdout)
        vulnerabilities = answer["vulnerabilities"].values()
    except (ValueError, KeyError):
        lines = [line for line in done.stderr.splitlines() if line.startswith("npm error")]
        print(f"  npm's service does not answer: {lines[0] if lines else 'no message'}")
        return Report()
    locked = json.loads(Path(folder, "package-lock.json").read_text())["packages"]
    names = {place.rpartition("node_modules/")[2] for place in locked if place}
    found = {
        f"{one['name']} {one['range']}: {why['url']}, {why['severity']}"
        for one in vulnerabilities
        for why in one["via"]
        if isinstance(why, dict)  # otherwise the name of a package that is listed itself
    }
    return Report(names=names, audited=names, vulnerable=found)


def tell(pins: str, report: Report) -> None:
    """Print what is known of `pins`, and what is not."""
    for line in sorted(report.vulnerable):
        print(f"  {line}")
    if not report.audited:
        print(f"NOT AUDITED: {pins}. No vulnerability service answers; audit before a release.")
    elif report.names - report.audited:
        print(f"NOT AUDITED: {', '.join(sorted(report.names - report.audited))} of {pins}.")
    counts = f"{len(report.audited)} packages audited, {len(report.vulnerable)} vulnerabilities"
    print(f"{pins}: {counts}.")


def main() -> int:
    """Audit all pins; return the exit status."""
    reports = {pins: audit_python(pins) for pins in PYTHON_PINS}
    reports[f"{NODE_PINS}/package-lock.json"] = audit_node(NODE_PINS)
    for pins, report in reports.items():
        tell(pins, report)
    return 1 if any(report.vulnerable for report in reports.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
