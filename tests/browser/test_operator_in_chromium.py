"""The operator's session in a real browser: from the printed link to a rollback, and out again."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from werkzeug.serving import make_server

from config.settings import settings
from tests import seed
from tests.browser.contrast import LOW_CONTRAST
from tests.webhook.served import serve
from webhook.app import build

pytestmark = pytest.mark.browser


@pytest.fixture
def site(
    database_url: str, redis_url: str, no_app: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, build(), threaded=True)
    url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("SIGIL_PUBLIC_URL", url)
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield url
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_operator_rolls_back_with_a_few_clicks(
    browser: Browser, site: str, tmp_path: Path
) -> None:
    weather = seed.repository(private=True)
    serve(weather, 1, version="1.0.0", state="replaced")
    package = seed.package(weather, seed.run(state="succeeded"))
    live = serve(weather, 2, version="1.1.0", state="live", published=package)
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    reported: list[str] = []
    page.on("pageerror", lambda error: reported.append(str(error)))

    def look(name: str) -> None:
        for scheme in ("dark", "light"):
            page.emulate_media(color_scheme=scheme)
            for width in (320, 1280):
                page.set_viewport_size({"width": width, "height": 900})
                page.screenshot(path=tmp_path / f"{name}-{scheme}-{width}.png", full_page=True)
                assert page.evaluate(LOW_CONTRAST)["low"] == [], (scheme, name)
                assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name

    page.goto(f"{site}/operator")
    look("key")
    assert page.goto(f"{site}/runs/{live}").status == 404  # type: ignore[union-attr]
    page.goto(build().test_cli_runner().invoke(args=["operator-link"]).stdout.strip())
    expect(page.get_by_role("heading", name="You are the operator")).to_be_visible()
    assert page.url == f"{site}/operator"
    look("session")
    page.goto(f"{site}/servers/octo/weather")
    look("server")
    page.goto(f"{site}/runs/{live}")
    look("run")
    page.get_by_role("button", name="Roll back to 1111111, version 1.0.0").click()
    expect(page.get_by_text("Asked for by the operator")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Retry")).to_be_visible()
    look("cancelled")
    page.get_by_role("link", name="Operator’s session").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Operator’s key")).to_be_visible()
    assert page.goto(f"{site}/runs/{live}").status == 404  # type: ignore[union-attr]
    context.close()
    assert reported == []
