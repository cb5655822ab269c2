"""The App is created in a real browser, by clicking what a person clicks, here and at GitHub."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, expect
from werkzeug.serving import make_server

from config.settings import settings
from registry import github_app
from sandbox.github.server import GitHubStandIn
from tests.browser.contrast import LOW_CONTRAST
from tests.outside_evidence import assert_like_github
from webhook.app import build

pytestmark = pytest.mark.browser


@pytest.fixture
def github(
    tmp_path: Path, app_key: Path, no_app: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[GitHubStandIn]:
    with GitHubStandIn(tmp_path / "github", private_key_file=app_key) as stand_in:
        monkeypatch.setenv("GITHUB_API_URL", stand_in.url)
        monkeypatch.setenv("GITHUB_URL", stand_in.url)
        settings.cache_clear()
        yield stand_in
    assert_like_github(stand_in.traffic.text())


@pytest.fixture
def site(
    database_url: str, redis_url: str, github: GitHubStandIn, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    monkeypatch.setenv("SIGIL_HOST", "process")
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


def test_the_app_is_created_and_installed_with_a_few_clicks(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    reported: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # What GitHub's pages lack is not ours to mend.
        if message.location["url"].startswith(site):
            reported.append(message.text)

    page.on("console", note)
    page.on("pageerror", lambda error: reported.append(str(error)))

    def look(name: str) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            page.screenshot(path=tmp_path / f"{scheme}-{name}.png", full_page=True)
            assert page.evaluate(LOW_CONTRAST)["low"] == [], (scheme, name)
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name

    page.goto(f"{site}/setup")
    look("key")
    link = build().test_cli_runner().invoke(args=["setup-link"]).stdout.strip()
    page.goto(link)
    expect(page.get_by_role("heading", name="Create the GitHub App")).to_be_visible()
    assert page.url == f"{site}/setup"
    look("form")
    page.get_by_label("Name of the App").fill("Sigil of octo")
    page.get_by_role("button", name="Create the App at GitHub").click()
    # The page in between passes the manifest on by itself.
    page.get_by_role("button", name="Create GitHub App").click()
    expect(page.get_by_role("heading", name="The GitHub App")).to_be_visible()
    assert page.url == f"{site}/setup/app"
    expect(page.locator("#created")).to_contain_text("Sigil of octo")
    expect(page.locator("#webhook")).to_contain_text("GitHub's ping came", timeout=30_000)
    look("created")
    page.get_by_role("link", name="Install").click()
    page.get_by_label("All repositories").check()
    page.get_by_role("button", name="Install").click()
    # GitHub leads back here, and the page notices the installation by itself.
    page.wait_for_url(f"{site}/setup/app?*")
    expect(page.locator("#webhook")).to_contain_text("installation", timeout=30_000)
    look("installed")
    assert github_app.webhook_secrets()
    context.close()
    assert reported == []
