"""Fails when a pinned package has a known vulnerability, and says which pins were not audited.

`pip-audit` ends with success when the vulnerability service knows nothing of a package or cannot
be reached; that is no proof, so it is told apart here from a clean audit.
"""

import json
import subprocess
import sys
from typing import Any

SERVICES = ("pypi", "osv")


def audit(pins: str, service: str) -> list[dict[str, Any]]:
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


def main() -> int:
    """Audit the development pins, which include all others; return the exit status."""
    vulnerable: dict[str, str] = {}
    audited: set[str] = set()
    names: set[str] = set()
    for service in SERVICES:
        for finding in audit("requirements-dev.txt", service):
            names.add(finding["name"])
            if "skip_reason" in finding:
                continue
            audited.add(finding["name"])
            for vulnerability in finding["vulns"]:
                fixed = ", ".join(vulnerability["fix_versions"]) or "none yet"
                where = f"{finding['name']} {finding['version']}: {vulnerability['id']}"
                vulnerable[where] = f"{where}, fixed in {fixed}"
        if audited and audited == names:
            break
    for line in vulnerable.values():
        print(f"  {line}")
    if not audited:
        print("NOT AUDITED: no vulnerability service answers from here. Audit before a release.")
    elif names - audited:
        print(f"NOT AUDITED: {', '.join(sorted(names - audited))}")
    print(f"{len(audited)} packages audited, {len(vulnerable)} known vulnerabilities.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
