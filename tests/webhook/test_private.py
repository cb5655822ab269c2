"""What belongs to private repositories is on no page, and on all of them once that is asked for."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from config import database
from config.settings import settings
from tests import seed
from webhook.app import build

# In every name, title, reason, address and log line of what is private, and nowhere else.
SENTINEL = "sentinel"
# Of no row: not what a filter asks for is looked for in an answer, but what it finds.
ABSENT = 987_654


@pytest.fixture
def client(
    database_url: str, redis_url: str, webhook_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[FlaskClient]:
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    yield build().test_client()
    settings.cache_clear()


@pytest.fixture
def insider(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    """The pages with SIGIL_SHOW_PRIVATE."""
    monkeypatch.setenv("SIGIL_SHOW_PRIVATE", "true")
    settings.cache_clear()
    return client


@dataclass(frozen=True)
class Shown:
    """What a repository has on the pages."""

    run: int
    guid: str
    delivery: int


def everything(owner: str, name: str, *, number: int, private: bool, sha: str) -> Shown:
    """A repository with a run, its delivery, its log, its package and its live server."""
    seeded = seed.repository(owner, name, number=number, private=private)
    full = f"{owner}/{name}"
    delivery, guid = seed.delivery(
        "push", reason=f"run of {full}", repository=full, private=private, action="created"
    )
    run = seed.run(
        seeded.repository_id,
        state="succeeded",
        title=f"{name} is live",
        commit=sha,
        delivery_id=delivery,
        finished_at=datetime.now(UTC),
    )
    seed.log(run, "build", f"{name} was built")
    tools = (seed.tool(f"{name}_tool", f"asks {name}"),)
    package = seed.package(seeded, run, f"io.github.{full}", title=name, tools=tools)
    seed.deployment(seeded, run, package, tools=tools, url=f"http://127.0.0.1:1/{name}")
    return Shown(run, guid, delivery)


@pytest.fixture
def public(client: FlaskClient) -> Shown:
    return everything("octo", "weather", number=1, private=False, sha=seed.sha(1))


@pytest.fixture
def secret(client: FlaskClient, public: Shown) -> Shown:
    """What must not be seen, with the ties that could lead to it from what may."""
    shown = everything(SENTINEL, f"{SENTINEL}s", number=2, private=True, sha=seed.sha(2))
    seed.delivery("star", state="ignored", reason=SENTINEL, repository=SENTINEL, private=True)
    with database.transaction() as connection:
        # As after an installation on both, had its delivery not been marked.
        connection.execute(
            """INSERT INTO errands (kind, repository_id, delivery_id, state, reason)
               VALUES ('first_look', 2, %(delivery)s, 'done', 'sentinel has no mcp.yaml')""",
            {"delivery": public.delivery},
        )
        connection.execute(
            "UPDATE runs SET delivery_id = %(delivery)s WHERE id = %(run)s",
            {"delivery": public.delivery, "run": shown.run},
        )
    return shown


def lists() -> list[str]:
    """Each list, and each way to ask it for what is private."""
    name = f"{SENTINEL}/{SENTINEL}s"
    return [
        *("/", "/runs", "/runs.json", "/deliveries", "/servers"),
        *(
            "/runs?state=succeeded",
            "/runs?before=999",
            "/runs?after=0",
            "/runs.json?state=succeeded",
        ),
        *(f"/runs.json?repository={name}", f"/runs.json?sha={seed.sha(2)}"),
        *("/deliveries?state=done", "/deliveries?state=ignored", "/deliveries?event=star"),
        *("/deliveries?before=999", "/deliveries?after=0", "/servers?after=io.github.p"),
    ]


def pages_of(shown: Shown, package: str) -> list[str]:
    run = f"/runs/{shown.run}"
    about = [run, f"{run}.json", f"{run}/log", f"{run}/log.txt"]
    return [*about, f"/deliveries/{shown.guid}", f"/servers/{package}"]


def pages_of_nothing() -> list[str]:
    """As `pages_of`, of what does not exist."""
    guid = "00000000-0000-4000-8000-000000000000"
    return pages_of(Shown(ABSENT, guid, ABSENT), "nobody/nothing")


@pytest.mark.parametrize("path", [*lists(), "/metrics", "/healthz"])
def test_no_list_tells_of_what_is_private(client: FlaskClient, secret: Shown, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert SENTINEL not in answer.text
    assert f"/runs/{secret.run}" not in answer.text


def test_the_pages_of_what_is_public_do_not_lead_to_what_is_private(
    client: FlaskClient, public: Shown, secret: Shown
) -> None:
    for path in pages_of(public, "octo/weather"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        assert "weather" in answer.text or path.endswith(".json"), path
        assert SENTINEL not in answer.text, path
        assert f"/runs/{secret.run}" not in answer.text, path


def test_what_is_private_is_answered_as_what_does_not_exist(
    client: FlaskClient, secret: Shown
) -> None:
    hidden = pages_of(secret, f"{SENTINEL}/{SENTINEL}s")
    for path, nothing in zip(hidden, pages_of_nothing(), strict=True):
        answer, absent = client.get(path), client.get(nothing)
        assert (answer.status_code, absent.status_code) == (404, 404), path
        assert answer.text == absent.text
        assert dict(answer.headers) == dict(absent.headers), path


def test_a_filter_by_a_private_repository_finds_what_one_by_nothing_finds(
    client: FlaskClient, secret: Shown
) -> None:
    for path in ("/runs", "/deliveries"):
        hidden = client.get(f"{path}?repository={SENTINEL}/{SENTINEL}s").text
        absent = client.get(f"{path}?repository=nobody/nothing0000000").text
        assert hidden.replace(f"{SENTINEL}/{SENTINEL}s", "") == absent.replace(
            "nobody/nothing0000000", ""
        )


def test_the_page_of_an_unknown_run_says_where_those_of_private_repositories_are_shown(
    client: FlaskClient, secret: Shown
) -> None:
    for run in (secret.run, ABSENT):
        page = client.get(f"/runs/{run}").text
        assert "only in their check run at GitHub, unless SIGIL_SHOW_PRIVATE is set" in page


def test_a_page_says_that_something_may_be_missing_from_it(
    client: FlaskClient, secret: Shown
) -> None:
    assert "private repositories is not shown here" in client.get("/runs").text


def test_with_the_setting_what_is_private_is_on_every_page(
    insider: FlaskClient, secret: Shown
) -> None:
    shown = [path for path in lists() if path != "/deliveries?event=star"]
    for path in [*shown, *pages_of(secret, f"{SENTINEL}/{SENTINEL}s")]:
        answer = insider.get(path)
        assert answer.status_code == 200, path
        assert SENTINEL in answer.text, path
        assert "not shown here" not in answer.text, path
    assert "SIGIL_SHOW_PRIVATE" not in insider.get(f"/runs/{ABSENT}").text


def test_a_repository_that_becomes_private_leaves_the_pages_and_comes_back_when_public(
    client: FlaskClient, public: Shown
) -> None:
    paths = ["/", "/runs", "/runs.json", "/servers", f"/runs/{public.run}", "/servers/octo/weather"]

    def seen() -> list[bool]:
        return [
            "weather is live" in text or "weather_tool" in text or ">weather<" in text
            for text in (client.get(path).text for path in paths)
        ]

    assert all(seen())
    with database.transaction() as connection:
        connection.execute("UPDATE repositories SET private = true")
    assert not any(seen())
    assert client.get(f"/deliveries/{public.guid}").status_code == 404
    with database.transaction() as connection:
        connection.execute("UPDATE repositories SET private = false")
    assert all(seen())


@pytest.mark.parametrize(
    "arguments",
    [["deliveries", "list"], ["runs", "list"], ["runs", "list", "--repository", "NAME"]],
)
def test_the_operators_commands_show_everything(secret: Shown, arguments: list[str]) -> None:
    name = f"{SENTINEL}/{SENTINEL}s"
    command = [name if argument == "NAME" else argument for argument in arguments]
    done = flask(*command)
    assert done.returncode == 0, done.stderr
    assert SENTINEL in done.stdout


def test_the_operator_can_look_at_one_private_delivery(secret: Shown) -> None:
    assert SENTINEL in flask("deliveries", "show", secret.guid).stdout


def flask(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "flask", "--app", "webhook", *arguments],
        capture_output=True,
        text=True,
        env=os.environ,
        timeout=120,
        check=False,
    )
