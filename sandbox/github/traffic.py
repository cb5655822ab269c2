"""Writes every REST request and its answer to a JSON-lines file, so that it can be checked."""

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

from flask import Request, Response

_SECRET = re.compile(
    r"gh[ps]_[0-9a-f]{36}|eyJ[\w-]+\.[\w-]+\.[\w-]+"
    # The credentials of a new App: what follows their names.
    r'|(?<="client_secret": ")[^"]+|(?<="webhook_secret": ")[^"]+|(?<="pem": ")[^"]+'
)


class Traffic:
    """The record, one JSON object a line, without secrets.

    Args:
        path: the file; it is begun anew.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        path.write_text("")

    def record(self, template: str, request: Request, response: Response, fault: bool) -> None:
        """Append one exchange, with the moment of the answer (`at`, seconds since the epoch).

        Args:
            template: the path as GitHub's description of its API writes it.
            request: as it came.
            response: as it goes.
            fault: whether the answer is a fault made on demand, which proves nothing.
        """
        streamed = response.is_streamed or response.direct_passthrough
        entry = {
            "at": time.time(),
            "method": request.method,
            "template": template,
            "path": request.path,
            "query": request.args.to_dict(flat=False),
            "request_type": request.mimetype,
            "request_body": _body(request.get_data(), request.mimetype),
            "status": response.status_code,
            "headers": {
                name.lower(): value for name, value in response.headers if name != "Set-Cookie"
            },
            "response_body": None
            if streamed
            else _body(response.get_data(), response.mimetype or ""),
            "fault": fault,
        }
        line = _SECRET.sub("(secret)", json.dumps(entry))
        with self._lock, self.path.open("a") as file:
            file.write(line + "\n")

    def text(self) -> str:
        """The whole record."""
        with self._lock:
            return self.path.read_text()


def _body(data: bytes, kind: str) -> Any:
    if not data or "json" not in kind:
        return None
    try:
        return json.loads(data)
    except ValueError:
        return None
