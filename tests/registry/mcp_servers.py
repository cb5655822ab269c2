"""Servers for handshakes over real HTTP: of the official library, hand-written, and hostile."""

import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

Message = dict[str, Any]


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are in lower case."""

    verb: str
    path: str
    headers: dict[str, str]
    body: Message

    @property
    def method(self) -> str:
        """What was asked for: the JSON-RPC method, or the HTTP verb."""
        return str(self.body.get("method", self.verb))


class Exchange(BaseHTTPRequestHandler):
    """One request to a scripted server, and the ways to answer it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    script: Callable[["Exchange", Seen], None]
    seen: list[Seen]

    def _handle(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        raw = self.rfile.read(length)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, json.loads(raw) if raw else {})
        self.seen.append(seen)
        try:
            type(self).script(self, seen)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_GET = do_POST = do_DELETE = _handle

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: pytest's output is for failures."""

    def send(self, status: int, body: bytes = b"", /, **headers: str) -> None:
        """A whole response."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def send_json(self, value: Any, status: int = 200, session: str | None = None) -> None:
        """A JSON response."""
        opened = {"mcp_session_id": session} if session else {}
        body = json.dumps(value).encode()
        self.send(status, body, **{"content_type": "application/json", **opened})

    def open_stream(self, session: str | None = None) -> None:
        """Begin an event stream that lasts until the connection ends."""
        self.close_connection = True
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("connection", "close")
        if session:
            self.send_header("mcp-session-id", session)
        self.end_headers()

    def send_event(self, value: Any, event: str = "message") -> None:
        """One event."""
        self.wfile.write(f"event: {event}\r\ndata: {json.dumps(value)}\r\n\r\n".encode())
        self.wfile.flush()


@dataclass
class Scripted:
    """A running scripted server."""

    url: str
    seen: list[Seen] = field(default_factory=list)

    @property
    def methods(self) -> list[str]:
        """What was asked for, in order."""
        return [seen.method for seen in self.seen]


@contextmanager
def scripted(script: Callable[[Exchange, Seen], None]) -> Iterator[Scripted]:
    """Serve by a function that answers each request."""
    seen: list[Seen] = []
    handler = type("Handler", (Exchange,), {"script": staticmethod(script), "seen": seen})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_port}/mcp", seen)
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def raw(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """Serve bytes: `talk` is given each connection, in a thread, and may do anything with it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                talk(connection)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
    finally:
        # Closing alone would leave the thread waiting on a number that the next listener of this
        # process gets, whose connections it would then take.
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


@contextmanager
def asgi(app: Any) -> Iterator[str]:
    """Serve an ASGI application with uvicorn; its base URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=20)
        listener.close()


def dawdle(connection: socket.socket, seconds: float) -> None:
    """Let time pass in a slow server, unless the client leaves or speaks before."""
    select.select([connection], [], [], seconds)


FORECAST = {
    "name": "forecast",
    "title": "Forecast",
    "description": "The weather of the next days",
    "inputSchema": {"type": "object", "properties": {"place": {"type": "string"}}},
    "annotations": {"readOnlyHint": True},
}


def numbered(count: int) -> list[Message]:
    """So many tools."""
    return [
        {"name": f"tool-{number}", "inputSchema": {"type": "object"}} for number in range(count)
    ]


def result(seen: Seen, value: Message) -> Message:
    """The JSON-RPC response to a request."""
    return {"jsonrpc": "2.0", "id": seen.body.get("id"), "result": value}


def error(seen: Seen, code: int, data: Any = None) -> Message:
    """The JSON-RPC error to a request. Its message is something that nobody may repeat."""
    inner = {"code": code, "message": "sentinel-4711 is a secret", "data": data}
    return {"jsonrpc": "2.0", "id": seen.body.get("id"), "error": inner}


@dataclass
class Legacy:
    """A hand-written server of 2025-11-25 that has never heard of `server/discover`.

    Attributes:
        refuse: How it answers what it does not know.
        pages: The pages of its tools.
        session: The session id that it gives out and then insists on.
        events: Whether it answers with event streams, with other traffic before the answer.
        forget: The status with which it answers a DELETE.
    """

    refuse: Callable[[Exchange, Seen], None]
    pages: list[list[Message]] = field(default_factory=lambda: [[FORECAST]])
    session: str | None = "a-session"
    events: bool = False
    forget: int = 204
    protocol: str = "2025-11-25"
    capabilities: Message = field(default_factory=lambda: {"tools": {"listChanged": True}})

    def __call__(self, exchange: Exchange, seen: Seen) -> None:
        if seen.method == "initialize":
            about = {
                "protocolVersion": self.protocol,
                "capabilities": self.capabilities,
                "serverInfo": {"name": "weather", "version": "1.4.0"},
            }
            self._answer(exchange, seen, about, self.session)
        elif seen.method == "server/discover":
            self.refuse(exchange, seen)
        elif self.session and seen.headers.get("mcp-session-id") != self.session:
            exchange.send_json(error(seen, -32000), 400)
        elif seen.method == "notifications/initialized":
            exchange.send(202)
        elif seen.method == "tools/list":
            page = int(seen.body["params"].get("cursor", "0"))
            tools: Message = {"tools": self.pages[page]}
            if page + 1 < len(self.pages):
                tools["nextCursor"] = str(page + 1)
            self._answer(exchange, seen, tools, None)
        elif seen.method == "DELETE":
            exchange.send(self.forget)
        else:
            self.refuse(exchange, seen)

    def _answer(self, exchange: Exchange, seen: Seen, value: Message, opened: str | None) -> None:
        if not self.events:
            exchange.send_json(result(seen, value), session=opened)
            return
        exchange.open_stream(opened)
        exchange.wfile.write(b"id: 1\r\ndata:\r\n\r\n: a comment\r\n\r\n")
        exchange.send_event({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
        exchange.send_event({"jsonrpc": "2.0", "id": 999, "result": {"not": "yours"}})
        exchange.send_event({"something": "else"}, event="other")
        exchange.send_event(result(seen, value))
        # The stream stays open: the client has to leave by itself.
        exchange.rfile.read(1)
