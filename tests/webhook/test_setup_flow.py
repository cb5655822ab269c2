"""The App is created at GitHub as a person does it: from a link to a delivery that is accepted."""

import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, urljoin, urlsplit

import pytest
import requests
from werkzeug.serving import make_server

from config.database import transaction
from config.sealing import Sealed
from config.settings import settings
from pipeline.github.client import speaking, speaking_as_app
from pipeline.github.permissions import subscriptions, wanted
from registry import github_app
from sandbox.github.server import GitHubStandIn
from tests.outside_evidence import assert_like_github
from tests.polling import eventually
from webhook.app import build

CONVERSION = "/app-manifests/{code}/conversions"


@dataclass
class Person:
    """Somebody with a browser, in which both Sigil and GitHub are open."""

    sigil: str
    github: str
    seen: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.session = requests.Session()
        self.session.hooks["response"].append(self._remember)

    def _remember(self, response: requests.Response, **_: object) -> None:
        """All that Sigil ever showed to this browser, addresses and headers too."""
        if response.url.startswith(self.sigil):
            self.seen.append(f"{response.request.url}\n{response.headers}\n{response.text}")

    def get(self, path: str) -> requests.Response:
        return self.session.get(urljoin(self.sigil, path), timeout=30)

    def submit(self, page: requests.Response, at: int = 0, **fields: str) -> requests.Response:
        """Fill in the form on the page, and press its button; the browser goes where it is led."""
        form = re.findall(r"<form.*?</form>", page.text, re.DOTALL)[at]
        values = {}
        for tag in re.findall(r"<input[^>]*>", form):
            given = dict(re.findall(r' (\w+)="([^"]*)"', tag))
            if given.get("type") != "checkbox":
                values[given["name"]] = unescape(given.get("value", ""))
        target = unescape(re.search(r'action="([^"]*)"', form)[1])  # type: ignore[index]
        return self.session.post(
            urljoin(page.url, target), data=values | fields, timeout=30, allow_redirects=False
        )

    def follow(self, response: requests.Response) -> requests.Response:
        """Go where the answer leads, one step."""
        assert response.is_redirect, response.text
        target = urljoin(response.url, response.headers["Location"])
        return self.session.get(target, timeout=30, allow_redirects=False)

    def enter(self, link: str) -> requests.Response:
        """Open the operator's link; return the form for the App."""
        page = self.follow(self.submit(self.get("/setup"), key=urlsplit(link).fragment))
        assert "the GitHub App</h1>" in page.text
        return page

    def create(self, form: requests.Response, **fields: str) -> requests.Response:
        """Fill the form in, go to GitHub, press its button; return the redirect back to Sigil."""
        chosen = {"account": "personal", "name": "Sigil of octo"} | fields
        leaving = self.submit(form, **chosen)
        assert leaving.status_code == 200, leaving.text
        proposed = self.submit(leaving)
        assert "Create GitHub App for" in proposed.text, proposed.text
        back = self.submit(proposed)
        assert back.headers["Location"].startswith(f"{self.sigil}/setup/callback?"), back.text
        return back


@pytest.fixture
def github(
    tmp_path: Path, app_key: Path, no_app: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(tmp_path / "github", private_key_file=app_key) as stand_in:
        monkeypatch.setenv("GITHUB_API_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_TIMEOUT", "1")
        settings.cache_clear()
        yield stand_in
    assert_like_github(stand_in.traffic.text())


@pytest.fixture
def sigil(
    database_url: str, redis_url: str, github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, build(), threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("SIGIL_PUBLIC_URL", url)
    settings.cache_clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def person(sigil: str, github: GitHubStandIn) -> Person:
    return Person(sigil, github.url)


def link(*options: str) -> str:
    done = build().test_cli_runner().invoke(args=["setup-link", *options])
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


def stored_secrets() -> list[str]:
    """Everything secret of the stored App, and each line of its key."""
    with transaction() as connection:
        row = connection.execute("SELECT app_id, key_id, sealed FROM github_app").fetchone()
    assert row is not None
    sealed = Sealed(row[1], bytes(row[2]))
    opened = settings().key_ring().open(sealed, f"the GitHub App {row[0]}").decode()
    key = github_app.identity().private_key
    texts = re.findall(r'_secret": "([^"]+)"', opened)
    assert len(texts) == 2
    return [*texts, *(line for line in key.splitlines() if "-----" not in line)]


def test_one_click_makes_an_app_that_works(
    person: Person, github: GitHubStandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    key_link = link()
    back = person.create(person.enter(key_link))
    done = person.follow(back)
    assert done.headers["Location"] == "/setup/app"
    # GitHub's ping came before the secret did; it is asked for again, and then accepted.
    eventually(lambda: "GitHub's ping came" in person.get("/setup/app").text)
    page = person.get("/setup/app")
    assert "Sigil of octo" in page.text
    install = re.search(r'href="([^"]*/installations/new)"', page.text)
    assert install
    everything = {"repository_selection": "all"}
    json = {"Accept": "application/json"}
    answer = requests.post(install[1], data=everything, headers=json, timeout=30)
    eventually(lambda: "<code>installation</code>" in person.get("/setup/app").text)
    with speaking_as_app() as api:
        app = api.rest.apps.get_authenticated().json()
    assert app["permissions"] == wanted()
    assert sorted(app["events"]) == sorted(subscriptions())
    # What a worker does with it, which has read no variable about it.
    with speaking(answer.json()["id"]) as api:
        assert api.rest.apps.list_repos_accessible_to_installation().status_code == 200
    told = capfd.readouterr()
    for secret in [*stored_secrets(), urlsplit(key_link).fragment]:
        for text in [*person.seen, told.out, told.err]:
            assert secret not in text
    assert parse_qs(urlsplit(back.headers["Location"]).query)["code"][0] not in told.err


def test_afterwards_the_setup_is_closed_and_the_way_back_is_used_up(person: Person) -> None:
    key_link = link()
    back = person.create(person.enter(key_link))
    assert person.follow(back).headers["Location"] == "/setup/app"
    again = person.follow(back)
    assert (again.status_code, "This is done already" in again.text) == (410, True)
    assert person.get("/setup").status_code == 410
    stranger = Person(person.sigil, person.github)
    key = {"key": urlsplit(key_link).fragment}
    assert stranger.session.post(f"{person.sigil}/setup/key", data=key).status_code == 410
    first = github_app.identity().app_id
    # Another App takes its place only with a key that says so.
    renewed = person.create(person.enter(link("--replace")), name="Sigil the second")
    assert person.follow(renewed).headers["Location"] == "/setup/app"
    assert github_app.identity().app_id != first


def test_another_browser_cannot_finish_what_this_one_began(person: Person) -> None:
    back = person.create(person.enter(link()))
    thief = Person(person.sigil, person.github)
    assert thief.follow(back).status_code == 400
    # Not even one that has been let in as well.
    thief.enter(link())
    assert thief.follow(back).status_code == 400
    assert person.follow(back).headers["Location"] == "/setup/app"


@pytest.mark.parametrize("state", ["", "forged", "eyJuIjoieCJ9.aaaaaa.bbbbbbbb"])
def test_a_state_that_was_not_signed_here_is_not_believed(person: Person, state: str) -> None:
    person.enter(link())
    answer = person.get(f"/setup/callback?code=abc&state={state}")
    assert answer.status_code == 400
    assert "not believed" in answer.text


def test_a_state_without_a_code_asks_github_nothing(person: Person, github: GitHubStandIn) -> None:
    back = urlsplit(person.create(person.enter(link())).headers["Location"])
    state = parse_qs(back.query)["state"][0]
    for code in ("", "../../user", "a" * 200):
        answer = person.session.get(
            f"{person.sigil}/setup/callback", params={"code": code, "state": state}, timeout=30
        )
        assert (answer.status_code, "no code" in answer.text) == (400, True)


def test_a_code_that_github_does_not_know_is_explained_and_ends_the_way(person: Person) -> None:
    back = urlsplit(person.create(person.enter(link())).headers["Location"])
    state = parse_qs(back.query)["state"][0]
    answer = person.get(f"/setup/callback?code={'0' * 40}&state={state}")
    assert answer.status_code == 409
    assert "GitHub answered 404" in answer.text
    assert "delete the App at GitHub" in answer.text
    assert person.get(f"{back.path}?{back.query}").status_code == 410
    # The key still opens: one begins again.
    assert "Create the GitHub App" in person.get("/setup").text


@pytest.mark.parametrize(
    "kind", [{"kind": "status", "status": 502}, {"kind": "hang"}, {"kind": "reset"}]
)
def test_while_github_is_away_the_code_is_kept_and_can_be_tried_again(
    person: Person, github: GitHubStandIn, kind: dict[str, object]
) -> None:
    back = person.create(person.enter(link()))
    github.fail("POST", CONVERSION, **kind)  # type: ignore[arg-type]
    away = person.follow(back)
    assert away.status_code == 503
    assert "Nothing is lost" in away.text
    with transaction() as connection:
        (row,) = connection.execute("SELECT setup_journeys::text FROM setup_journeys").fetchall()
    assert parse_qs(urlsplit(back.headers["Location"]).query)["code"][0] not in row[0]
    github.faults.clear()
    # Whoever closed the page finds it where the setup begins.
    waiting = person.get("/setup")
    assert "credentials wait at GitHub" in waiting.text
    assert person.submit(waiting).headers["Location"] == "/setup/app"
    assert github_app.webhook_secrets()


def test_a_key_that_ran_out_at_github_is_renewed_without_losing_the_way(person: Person) -> None:
    back = person.create(person.enter(link()))
    with transaction() as connection:
        connection.execute("UPDATE setup_tokens SET expires_at = now()")
    expired = person.follow(back)
    assert (expired.status_code, "setup-link" in expired.text) == (409, True)
    form = person.submit(person.get("/setup"), key=urlsplit(link()).fragment)
    waiting = person.follow(form)
    assert "credentials wait at GitHub" in waiting.text
    assert person.submit(waiting).headers["Location"] == "/setup/app"


def test_an_organization_may_own_it(person: Person, github: GitHubStandIn) -> None:
    form = person.enter(link())
    leaving = person.submit(form, account="organization", organization="nobody", name="Sigil")
    assert f"{github.url}/organizations/nobody/settings/apps/new?state=" in leaving.text
    # GitHub has no such organization, or this person does not administer it.
    assert person.submit(leaving).status_code == 404


def test_an_answer_that_was_lost_on_the_way_back_is_told_from_one_that_never_came(
    person: Person, github: GitHubStandIn
) -> None:
    back = person.create(person.enter(link()))
    github.fail("POST", CONVERSION, "truncated", applied=True)
    assert person.follow(back).status_code == 503
    # GitHub gives the credentials once, and it has.
    lost = person.submit(person.get("/setup"))
    assert (lost.status_code, "its answer was lost on the way" in lost.text) == (409, True)
    renewed = person.create(person.get("/setup"), name="Sigil again")
    assert person.follow(renewed).headers["Location"] == "/setup/app"


def test_a_ping_that_could_not_be_asked_for_is_asked_for_with_a_button(
    person: Person, github: GitHubStandIn
) -> None:
    back = person.create(person.enter(link()))
    github.fail("GET", "/app/hook/deliveries", "status", status=503)
    assert person.follow(back).headers["Location"] == "/setup/app"
    page = person.get("/setup/app")
    assert "No signed delivery has come yet" in page.text
    # Only to the browser that has set it up.
    assert "send its ping" not in Person(person.sigil, person.github).get("/setup/app").text
    assert person.session.post(f"{person.sigil}/setup/ping", timeout=30).status_code == 403
    assert person.submit(page).headers["Location"] == "/setup/app"
    eventually(lambda: "GitHub's ping came" in person.get("/setup/app").text)
