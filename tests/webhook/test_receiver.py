"""What the receiver answers, and what the ledger holds afterwards."""

import json
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from psycopg.rows import dict_row
from redis import Redis

from config.database import transaction
from config.settings import SettingsError, settings
from pipeline.drain import process_next
from sandbox.embedded import EmbeddedRedis
from sandbox.evidence import EXAMPLES, fetch
from tests.conftest import WEBHOOK_SECRET
from tests.hooks import encode, headers, push
from tests.polling import eventually
from webhook.app import build
from webhook.receiver import MAX_BODY
from workers import queues

URL = "/webhook/github"


@pytest.fixture
def client(database_url: str, redis_url: str, webhook_secret: str) -> FlaskClient:
    return build().test_client()


@pytest.fixture
def redis(redis_url: str) -> Iterator["Redis"]:
    with Redis.from_url(redis_url) as connection:
        yield connection


def ledger() -> list[dict[str, Any]]:
    with transaction() as connection, connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute("SELECT * FROM deliveries ORDER BY id").fetchall()


def test_a_delivery_is_stored_as_it_came_before_it_is_accepted(client: FlaskClient) -> None:
    body = b'{"ref":"refs/heads/main",\r\n "x": "\xc3\xa9"}'.replace(
        b"{", encode(push())[:-1] + b",", 1
    )
    guid = str(uuid4())
    answer = client.post(URL, data=body, headers=headers(body, guid=guid))
    assert answer.status_code == 202
    assert answer.get_json() == {"delivery": guid, "state": "received", "duplicate": False}
    (row,) = ledger()
    assert (str(row["guid"]), row["event"], row["action"]) == (guid, "push", None)
    assert (row["repository"], row["hook_id"], row["state"]) == (
        "octo/weather",
        292430182,
        "received",
    )
    assert row["payload"] == body


@pytest.mark.parametrize("private", [True, False])
def test_the_ledger_knows_from_the_start_whether_a_delivery_names_a_private_repository(
    client: FlaskClient, private: bool
) -> None:
    payload = push()
    payload["repository"]["private"] = private
    # One that is ignored names it as well, in its reason.
    for event in ("push", "star"):
        body = encode(payload)
        assert client.post(URL, data=body, headers=headers(body, event=event)).status_code == 202
    assert [(row["state"], row["private"]) for row in ledger()] == [
        ("received", private),
        ("ignored", private),
    ]


def test_an_accepted_delivery_rings_once_however_many_come(
    client: FlaskClient, redis: "Redis"
) -> None:
    for _ in range(20):
        body = encode(push())
        assert client.post(URL, data=body, headers=headers(body)).status_code == 202
    eventually(lambda: redis.llen(f"rq:queue:{queues.DELIVERIES}"))
    assert redis.llen(f"rq:queue:{queues.DELIVERIES}") == 1


def test_what_needs_no_work_is_accepted_with_the_reason_and_rings_nobody(
    client: FlaskClient, redis: "Redis"
) -> None:
    body = encode({"action": "created", "starred_at": None})
    answer = client.post(URL, data=body, headers=headers(body, event="star"))
    assert answer.status_code == 202
    assert answer.get_json()["state"] == "ignored"
    assert answer.get_json()["reason"] == "Sigil does not act on star events."
    (row,) = ledger()
    assert (row["action"], row["state"]) == ("created", "ignored")
    assert row["reason"] == answer.get_json()["reason"]
    assert not redis.exists(f"rq:queue:{queues.DELIVERIES}")


def test_a_ping_is_answered_and_kept(client: FlaskClient) -> None:
    body = encode({"zen": "Anything added dilutes everything else.", "hook_id": 1, "hook": {}})
    answer = client.post(URL, data=body, headers=headers(body, event="ping"))
    assert answer.status_code == 202
    assert "the webhook reaches Sigil" in answer.get_json()["reason"]
    assert [row["event"] for row in ledger()] == ["ping"]


def test_the_same_delivery_three_times_is_processed_once(client: FlaskClient) -> None:
    body = encode(push())
    sent = headers(body)
    answers = [client.post(URL, data=body, headers=sent).get_json()]
    assert process_next() is not None
    answers += [client.post(URL, data=body, headers=sent).get_json() for _ in range(2)]
    assert process_next() is None
    assert [answer["duplicate"] for answer in answers] == [False, True, True]
    assert [answer["state"] for answer in answers] == ["received", "done", "done"]
    (row,) = ledger()
    assert (row["receptions"], row["attempts"]) == (3, 1)


def test_a_redelivered_failed_delivery_runs_again(client: FlaskClient) -> None:
    body = encode(push())
    sent = headers(body)
    client.post(URL, data=body, headers=sent)
    with transaction() as connection:
        connection.execute(
            "UPDATE deliveries SET state = 'dead', attempts = 8, finished_at = now()"
        )
    answer = client.post(URL, data=body, headers=sent).get_json()
    assert (answer["state"], answer["duplicate"]) == ("received", True)
    processed = process_next()
    assert processed is not None
    assert processed.state == "done"


@pytest.mark.parametrize("secret", ["a-second-webhook-secret", WEBHOOK_SECRET])
def test_both_secrets_are_accepted_while_one_is_rotated(
    client: FlaskClient, secret: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRETS", f"a-second-webhook-secret,{WEBHOOK_SECRET}")
    settings.cache_clear()
    body = encode(push())
    assert client.post(URL, data=body, headers=headers(body, secret=secret)).status_code == 202


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status
    assert answer.mimetype == "application/problem+json"
    assert answer.get_json()["status"] == status
    assert not ledger()
    return f"{answer.get_json()['title']}. {answer.get_json()['detail']}"


def test_a_wrong_or_missing_signature_is_401(client: FlaskClient) -> None:
    body = encode(push())
    wrong = headers(body, secret="not-the-webhook-secret")
    assert "GITHUB_WEBHOOK_SECRETS" in refused(client.post(URL, data=body, headers=wrong), 401)
    del wrong["X-Hub-Signature-256"]
    refused(client.post(URL, data=body, headers=wrong), 401)
    refused(client.post(URL, data=body + b" ", headers=headers(body)), 401)
    refused(client.post(URL, headers=headers(body)), 401)


@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "text/plain", "", "application/jsonp"]
)
def test_another_content_type_is_415_before_the_signature_is_looked_at(
    client: FlaskClient, content_type: str
) -> None:
    body = b"payload=%7B%7D"
    sent = headers(body, secret="not-the-webhook-secret") | {"Content-Type": content_type}
    text = refused(client.post(URL, data=body, headers=sent), 415)
    assert "application/json" in text


def test_a_charset_does_not_make_it_another_content_type(client: FlaskClient) -> None:
    body = encode(push())
    sent = headers(body) | {"Content-Type": "application/json; charset=utf-8"}
    assert client.post(URL, data=body, headers=sent).status_code == 202


def test_another_method_is_told_what_the_address_is_for(client: FlaskClient) -> None:
    for method in ("GET", "PUT", "PATCH", "DELETE", "OPTIONS"):
        answer = client.open(URL, method=method)
        assert "webhook URL" in refused(answer, 405)
        assert answer.headers["Allow"] == "POST"
    assert client.head(URL).status_code == 405


def test_paths_beside_the_receivers_are_not_its_own(client: FlaskClient) -> None:
    assert client.post(URL + "/").status_code == 404
    assert client.post("/webhook").status_code == 404


def test_a_body_above_githubs_limit_is_413_before_its_type_is_looked_at(
    client: FlaskClient,
) -> None:
    sent = headers(b"") | {"Content-Type": "text/plain"}
    length = {"CONTENT_LENGTH": str(MAX_BODY + 1)}
    answer = client.post(URL, headers=sent, environ_overrides=length)
    assert "25 MB" in refused(answer, 413)


def test_a_body_of_exactly_githubs_limit_is_accepted(client: FlaskClient) -> None:
    body = encode(push(padding=""))
    body = body.replace(b'"padding": ""', b'"padding": "' + b"x" * (MAX_BODY - len(body)) + b'"')
    assert len(body) == MAX_BODY
    assert client.post(URL, data=body, headers=headers(body)).status_code == 202
    assert [len(row["payload"]) for row in ledger()] == [MAX_BODY]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-GitHub-Delivery", None),
        ("X-GitHub-Delivery", "1"),
        ("X-GitHub-Delivery", "{72d3162e-cc78-11e3-81ab-4c9367dc0958}"),
        ("X-GitHub-Event", None),
        ("X-GitHub-Event", "Push!"),
        ("X-GitHub-Event", "x" * 65),
    ],
)
def test_a_missing_or_odd_header_is_400_and_named(
    client: FlaskClient, name: str, value: str | None
) -> None:
    body = encode(push())
    sent = headers(body)
    del sent[name]
    if value is not None:
        sent[name] = value
    assert name in refused(client.post(URL, data=body, headers=sent), 400)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"[" * 100_000, b'{"a":' + b"9" * 5000 + b"}"],
    ids=["empty", "cut", "list", "null", "text", "binary", "deep", "long-number"],
)
def test_signed_garbage_is_400(client: FlaskClient, body: bytes) -> None:
    assert "JSON object" in refused(client.post(URL, data=body, headers=headers(body)), 400)


def test_fields_that_postgresql_cannot_keep_do_not_hinder_the_delivery(client: FlaskClient) -> None:
    payload = push(action="a\0b")
    payload["repository"]["full_name"] = "octo/\udc00"
    body = json.dumps(payload).encode()
    answer = client.post(URL, data=body, headers=headers(body))
    assert answer.status_code == 202
    (row,) = ledger()
    assert (row["action"], row["repository"], row["state"]) == (None, None, "ignored")


def test_every_recorded_payload_is_accepted_and_has_an_outcome(client: FlaskClient) -> None:
    sent = 0
    for event in json.loads(fetch(EXAMPLES).read_text()):
        for example in event["examples"]:
            body = encode(example)
            answer = client.post(URL, data=body, headers=headers(body, event=event["name"]))
            assert answer.status_code == 202, (event["name"], answer.text)
            sent += 1
    assert sent == 329
    while process_next():
        pass
    rows = ledger()
    assert len(rows) == 329
    assert {row["state"] for row in rows} == {"done", "ignored"}
    assert all(row["reason"] for row in rows)
    done = {
        ".".join(filter(None, (row["event"], row["action"]))): row["reason"]
        for row in rows
        if row["state"] == "done"
    }
    assert set(done) == {
        *("installation.created", "installation.deleted", "installation.suspend"),
        *("installation.unsuspend", "installation.new_permissions_accepted"),
        *("installation_repositories.added", "installation_repositories.removed"),
        *("pull_request.opened", "pull_request.reopened", "pull_request.synchronize"),
        *("pull_request.closed", "pull_request.ready_for_review"),
        *("pull_request.converted_to_draft", "push"),
        *("repository.privatized", "repository.publicized"),
        *("repository.renamed", "repository.transferred"),
    }
    with transaction() as connection:
        asked = connection.execute("SELECT DISTINCT kind FROM errands").fetchall()
    assert {row[0] for row in asked} == {"first_look", "pull", "push"}


def test_redis_away_changes_nothing_for_github(
    client: FlaskClient, redis_server: EmbeddedRedis
) -> None:
    redis_server.stop()
    try:
        body = encode(push())
        assert client.post(URL, data=body, headers=headers(body)).status_code == 202
        assert [row["state"] for row in ledger()] == ["received"]
    finally:
        url = redis_server.start()
    with Redis.from_url(url) as back:
        eventually(lambda: back.llen(f"rq:queue:{queues.DELIVERIES}"))


def test_without_a_webhook_secret_the_application_is_not_built(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GITHUB_WEBHOOK_SECRETS", raising=False)
    settings.cache_clear()
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRETS is not set"):
        build()
