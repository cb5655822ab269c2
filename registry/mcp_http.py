"""Single exchanges with an MCP endpoint over streamable HTTP, in bounded memory.

Knows how one JSON-RPC request is sent and its answer is found, as JSON or in an event stream.
Does not know the order of a handshake, and sets no time limits: the caller cancels.
"""

import ipaddress
import json
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import httpx2
from mcp_types.jsonrpc import (
    METHOD_NOT_FOUND,
    JSONRPCError,
    JSONRPCNotification,
    JSONRPCRequest,
    JSONRPCResponse,
    jsonrpc_message_adapter,
)
from pydantic import ValidationError

MAX_BODY = 4 * 2**20
MAX_TOTAL = 16 * 2**20
MAX_QUESTIONS = 10
SESSION_HEADER = "mcp-session-id"


class TooMuch(Exception):
    """The server sends more than anybody should have to read."""


@dataclass(frozen=True)
class Reply:
    """What came back for one request.

    Attributes:
        status: The HTTP status.
        result: The result of the JSON-RPC response, if there is one.
        error: The JSON-RPC error, if there is one.
        session: The session that the server opened.
        location: Where it redirects to, without query.
        flaw: In words, what came instead of a JSON-RPC answer.
        cut: The answer broke off.
    """

    status: int
    result: dict[str, Any] | None = None
    error: JSONRPCError | None = None
    session: str | None = None
    location: str | None = None
    flaw: str | None = None
    cut: bool = False


def client(url: str) -> httpx2.AsyncClient:
    """A client for one handshake: no redirects, no time-outs of its own."""
    return httpx2.AsyncClient(
        headers={"user-agent": "sigil"},
        timeout=None,
        follow_redirects=False,
        # Reading the certificates takes longer than the rest of a handshake; http needs none.
        verify=httpx2.URL(url).scheme == "https",
        # A proxy of the environment is for the world outside, not for a server beside us.
        trust_env=not _is_near(url),
    )


def _is_near(url: str) -> bool:
    host = httpx2.URL(url).host
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"


class Endpoint:
    """One MCP endpoint. Counts its requests and what it reads."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._last_id = 0
        self._left = MAX_TOTAL

    async def call(
        self, method: str, params: dict[str, Any], headers: dict[str, str] | None = None
    ) -> Reply:
        """Send a request and read until its answer.

        Raises:
            httpx2.HTTPError: the connection failed.
            TooMuch: the answer is too large.
        """
        self._last_id += 1
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        async with self._post(message, headers) as response:
            return await self._read(response, self._last_id, headers)

    async def notify(self, method: str, headers: dict[str, str] | None = None) -> int:
        """Send a notification; the HTTP status that it was answered with."""
        async with self._post({"jsonrpc": "2.0", "method": method}, headers) as response:
            return response.status_code

    async def end_session(self, headers: dict[str, str]) -> None:
        """Ask the server to forget a session. It may refuse with 405."""
        async with self._http.stream("DELETE", self._url, headers=headers):
            pass

    async def has_old_transport(self) -> bool:
        """Whether a GET opens the HTTP+SSE transport of 2024-11-05, which tells an endpoint first.

        https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#backwards-compatibility
        """
        headers = {"accept": "text/event-stream"}
        async with self._http.stream("GET", self._url, headers=headers) as response:
            if response.status_code != 200 or _media_type(response) != "text/event-stream":
                return False
            async for event in httpx2.EventSource(response, max_event_size=MAX_BODY):
                return event.event == "endpoint"
        return False

    def _post(
        self, message: dict[str, Any], headers: dict[str, str] | None
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        accept = {"accept": "application/json, text/event-stream"}
        return self._http.stream(
            "POST", self._url, json=message, headers={**accept, **(headers or {})}
        )

    async def _read(
        self, response: httpx2.Response, request_id: int, headers: dict[str, str] | None
    ) -> Reply:
        status, kind = response.status_code, _media_type(response)
        if location := response.headers.get("location"):
            return Reply(status, location=self._shown(location), flaw="a redirect")
        if status >= 400:
            return await self._read_refusal(response, kind)
        if kind == "application/json":
            body = await self._body(response)
            return _with_session(_answer(status, body, request_id), response)
        if kind == "text/event-stream":
            reply = await self._read_events(response, request_id, headers)
            return _with_session(reply, response)
        named = f"`{kind[:60]}`" if kind else "no content type"
        return Reply(status, flaw=f"status {status} and {named}, not JSON-RPC")

    async def _read_refusal(self, response: httpx2.Response, kind: str) -> Reply:
        """An HTTP error, which may carry a JSON-RPC error."""
        status = response.status_code
        if kind == "application/json":
            message = _message(await self._body(response))
            if isinstance(message, JSONRPCError):
                return Reply(status, error=message)
        return Reply(status, flaw=f"status {status}")

    async def _body(self, response: httpx2.Response) -> bytes:
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            self._spend(len(part))
            if size > MAX_BODY:
                raise TooMuch(f"a body of more than {MAX_BODY:,} bytes")
            parts.append(part)
        return b"".join(parts)

    def _spend(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise TooMuch(f"more than {MAX_TOTAL:,} bytes altogether")

    async def _read_events(
        self, response: httpx2.Response, request_id: int, headers: dict[str, str] | None
    ) -> Reply:
        """Read the stream up to the answer; what else is in it is answered or passed over."""
        status, questions = response.status_code, 0
        async for event in httpx2.EventSource(response, max_event_size=MAX_BODY):
            if event.event != "message" or not event.data:
                continue
            self._spend(len(event.data))
            message = _message(event.data.encode("utf-8", "surrogatepass"))
            if isinstance(message, str):
                return Reply(status, flaw=f"an event with {message}")
            if isinstance(message, JSONRPCResponse | JSONRPCError):
                if message.id == request_id or _is_anonymous(message):
                    return _reply(status, message)
            elif isinstance(message, JSONRPCRequest):
                questions += 1
                if questions > MAX_QUESTIONS:
                    raise TooMuch("one question after the other instead of an answer")
                await self._answer_question(message, headers)
        return Reply(status, flaw="an event stream that ended before the answer", cut=True)

    async def _answer_question(
        self, question: JSONRPCRequest, headers: dict[str, str] | None
    ) -> None:
        """A server of the legacy era may ask, and wait, before it answers: a ping is answered,
        anything else was not offered and is refused."""
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": question.id}
        if question.method == "ping":
            answer["result"] = {}
        else:
            answer["error"] = {"code": METHOD_NOT_FOUND, "message": "Method not found"}
        async with self._post(answer, headers):
            pass

    def _shown(self, location: str) -> str:
        try:
            target = httpx2.URL(self._url).join(location)
        except httpx2.InvalidURL:
            return "an invalid URL"
        return str(target.copy_with(userinfo=b"", query=None, fragment=None))[:200]


def _media_type(response: httpx2.Response) -> str:
    kind: str = response.headers.get("content-type", "")
    return kind.partition(";")[0].strip().lower()


def _message(
    raw: bytes,
) -> JSONRPCRequest | JSONRPCNotification | JSONRPCResponse | JSONRPCError | str:
    """A JSON-RPC message, or in words what it is instead."""
    try:
        value = json.loads(raw.decode(), parse_constant=_refuse_constant)
        return jsonrpc_message_adapter.validate_python(value)
    except ValidationError:
        return "JSON that is not a JSON-RPC message"
    except (ValueError, RecursionError):
        return "something that is not JSON"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _is_anonymous(message: JSONRPCResponse | JSONRPCError) -> bool:
    """An error of a server that could not read which request it is about."""
    return isinstance(message, JSONRPCError) and message.id is None


def _answer(status: int, body: bytes, request_id: int) -> Reply:
    message = _message(body)
    if isinstance(message, str):
        return Reply(status, flaw=message)
    if isinstance(message, JSONRPCResponse | JSONRPCError) and (
        message.id == request_id or _is_anonymous(message)
    ):
        return _reply(status, message)
    return Reply(status, flaw="a JSON-RPC message that does not answer the request's id")


def _reply(status: int, message: JSONRPCResponse | JSONRPCError) -> Reply:
    if isinstance(message, JSONRPCError):
        return Reply(status, error=message)
    return Reply(status, result=message.result)


def _with_session(reply: Reply, response: httpx2.Response) -> Reply:
    return replace(reply, session=response.headers.get(SESSION_HEADER))
