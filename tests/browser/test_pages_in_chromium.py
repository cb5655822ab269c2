"""The pages in a real browser: they grow, fit, can be read and reached; nothing hostile runs."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect
from werkzeug.serving import BaseWSGIServer, make_server

from config.database import transaction
from config.settings import settings
from tests import seed
from tests.browser.contrast import LOW_CONTRAST
from webhook.app import build

pytestmark = pytest.mark.browser

HOSTILE = "<script>document.title = 'sentinel'</script><img src=x onerror=alert(1)>"
LONG = "a_very_long_name_without_any_space_" * 4


@pytest.fixture
def site(
    database_url: str, redis_url: str, webhook_secret: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """The address of the real application on a real socket."""
    monkeypatch.setenv("SIGIL_HOST", "process")
    settings.cache_clear()
    server: BaseWSGIServer = make_server("127.0.0.1", 0, build(), threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    settings.cache_clear()


@pytest.fixture
def page(browser: Browser, site: str) -> Iterator[Page]:
    """A tab; the test fails when anything is reported on its console, a blocked script too.

    It asks for `site` to be closed before it: a page that watches would report the lost server.
    """
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    reported: list[str] = []
    page.on("console", lambda message: reported.append(message.text))
    page.on("pageerror", lambda error: reported.append(str(error)))
    page.on("dialog", lambda dialog: (reported.append("a dialog"), dialog.dismiss()))
    yield page
    context.close()
    assert reported == []


def a_running_run() -> int:
    seed.repository()
    now = datetime.now(UTC)
    run = seed.run(state="running", started_at=now)
    seed.stage(run, "source", 0, state="succeeded", started_at=now, finished_at=now)
    seed.stage(run, "manifest", 1, state="succeeded", started_at=now, finished_at=now)
    seed.stage(run, "build", 2, started_at=now)
    seed.log(run, "source", "fetched 3 files")
    seed.log(run, "build", *[f"step {n}" for n in range(100)])
    return run


def set_run(run: int, sql: str) -> None:
    with transaction() as connection:
        connection.execute(f"UPDATE runs SET {sql} WHERE id = %s", (run,))


def a_full_site() -> list[str]:
    """Rows with long and hostile text in every place; returns the pages that show them."""
    seeded = seed.repository("octo", "weather")
    _, guid = seed.delivery(
        "push", action=LONG, reason=f"{LONG} {HOSTILE}", repository=f"octo/{LONG}", state="failed"
    )
    note = {"path": f"src/{LONG}.py", "line": 1, "message": f"{LONG} {HOSTILE}", "title": None}
    detail = f"{HOSTILE}\n\n{LONG}\n\n```\n{LONG}\n```\n\n| a | b |\n|---|---|\n| {LONG} | {LONG} |"
    error = {"stage": "build", "title": LONG, "detail": detail, "annotations": [note]}
    finished = datetime.now(UTC)
    run = seed.run(
        state="failed",
        title=f"{HOSTILE} {LONG}",
        error=error,
        ref=f"refs/heads/{LONG}",
        started_at=finished,
        finished_at=finished,
    )
    seed.stage(run, "source", 0, state="succeeded", finished_at=finished)
    seed.stage(run, "build", 2, state="failed", finished_at=finished)
    tools = (seed.tool(LONG, f"{HOSTILE} {LONG}", **{LONG: {"type": "string"}}),)
    package = seed.package(
        seeded, run, tools=tools, title=f"{HOSTILE} {LONG}", description=LONG, tags=[LONG]
    )
    seed.deployment(seeded, run, package, tools=tools, url=f"http://127.0.0.1/{LONG}")
    seed.log(run, "build", HOSTILE, LONG)
    states = ("queued", "running", "succeeded", "cancelled", "superseded")
    for number, state in enumerate(states):
        seed.run(state=state, commit=seed.sha(number), started_at=finished)
    for state in ("received", "queued", "done", "ignored", "dead"):
        seed.delivery(state=state)
    return [
        *("/", "/runs", f"/runs/{run}", "/deliveries", f"/deliveries/{guid}"),
        *("/servers", "/servers/octo/weather"),
    ]


def test_the_log_grows_while_the_run_does(page: Page, site: str) -> None:
    run = a_running_run()
    page.goto(f"{site}/runs/{run}")
    expect(page.get_by_text("step 99", exact=True)).to_be_visible()
    seed.log(run, "build", "built the image")
    expect(page.get_by_text("built the image")).to_be_visible()
    expect(page.locator(".stage.is-running")).to_contain_text("build")

    now = datetime.now(UTC)
    with transaction() as connection:
        connection.execute(
            "UPDATE run_stages SET state = 'succeeded', finished_at = now() WHERE run_id = %s",
            (run,),
        )
    seed.stage(run, "deploy", 3, started_at=now)
    seed.log(run, "deploy", "starting the server")
    expect(page.locator(".stage.is-running")).to_contain_text("deploy")
    expect(page.get_by_label("Log of deploy")).to_contain_text("starting the server")
    expect(page.get_by_label("Log of build")).to_be_hidden()

    set_run(run, "state = 'failed', title = 'It does not start', finished_at = now()")
    expect(page.get_by_role("heading", name="It does not start")).to_be_visible()
    expect(page.get_by_role("button", name="Follow")).to_be_hidden()


def test_a_log_that_begins_after_the_page_was_opened_shows_up(page: Page, site: str) -> None:
    seed.repository()
    run = seed.run()
    page.goto(f"{site}/runs/{run}")
    expect(page.get_by_text("Nothing yet.")).to_be_visible()
    set_run(run, "state = 'running', started_at = now()")
    seed.stage(run, "source", 0)
    seed.log(run, "source", "fetched 3 files")
    expect(page.get_by_text("fetched 3 files")).to_be_visible()
    expect(page.get_by_text("Nothing yet.")).to_be_hidden()
    expect(page.locator(".run-head .badge")).to_have_text("Running")


def test_the_log_follows_until_the_reader_scrolls_up(page: Page, site: str) -> None:
    run = a_running_run()
    page.goto(f"{site}/runs/{run}")
    lines = page.get_by_label("Log of build")
    distance = "lines => lines.scrollHeight - lines.scrollTop - lines.clientHeight"
    seed.log(run, "build", *[f"more {n}" for n in range(50)])
    expect(lines).to_contain_text("more 49")
    assert lines.evaluate(distance) < 2

    lines.hover()
    page.mouse.wheel(0, -400)
    follow = page.get_by_role("button", name="Follow")
    expect(follow).to_have_attribute("aria-pressed", "false")
    before = lines.evaluate("lines => lines.scrollTop")
    seed.log(run, "build", "unseen as yet")
    expect(lines).to_contain_text("unseen as yet")
    assert lines.evaluate("lines => lines.scrollTop") == before

    follow.click()
    expect(follow).to_have_attribute("aria-pressed", "true")
    assert lines.evaluate(distance) < 2


def test_a_very_long_log_keeps_the_newest_lines_only(page: Page, site: str) -> None:
    run = a_running_run()
    page.goto(f"{site}/runs/{run}")
    seed.log(run, "build", *[f"line {n}." for n in range(6000)])
    expect(page.get_by_text("line 5999.", exact=True)).to_be_visible(timeout=30_000)
    assert page.locator(".line").count() == 5000


def test_the_log_goes_on_after_the_connection_was_lost(browser: Browser, site: str) -> None:
    run = a_running_run()
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{site}/runs/{run}")
    context.set_offline(True)
    expect(page.get_by_text("Sigil does not answer; trying again.")).to_be_visible()
    seed.log(run, "build", "written meanwhile")
    context.set_offline(False)
    expect(page.get_by_text("written meanwhile")).to_be_visible(timeout=30_000)
    expect(page.get_by_text("Sigil does not answer; trying again.")).to_be_hidden()
    context.close()


def test_the_status_page_refreshes_itself(page: Page, site: str) -> None:
    seed.repository()
    page.goto(site)
    expect(page.get_by_text("No run yet.")).to_be_visible()
    seed.run(state="running", title="Here it is")
    expect(page.get_by_role("link", name="Here it is")).to_be_visible(timeout=15_000)


def test_hostile_text_does_nothing(page: Page, site: str) -> None:
    for path in a_full_site():
        page.goto(site + path)
        assert page.title().endswith("Sigil")
        assert page.locator("main img").count() == 0
        assert page.locator("main script").count() == 0
    run = a_running_run_of_another_repository()
    page.goto(f"{site}/runs/{run}")
    seed.log(run, "build", HOSTILE)
    expect(page.get_by_text(HOSTILE)).to_be_visible()
    assert page.title() != "sentinel"


def a_running_run_of_another_repository() -> int:
    seed.repository("octo", "other", number=2)
    return seed.run(2, state="running", started_at=datetime.now(UTC))


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_sideways(page: Page, site: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    for path in a_full_site():
        page.goto(site + path)
        for details in page.locator("details").all():
            details.evaluate("details => { details.open = true }")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(
    browser: Browser, site: str, scheme: str, tmp_path: Path
) -> None:
    context = browser.new_context(color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    for number, path in enumerate(a_full_site()):
        page.goto(site + path)
        page.screenshot(path=tmp_path / f"{scheme}-{number}.png", full_page=True)
        found = page.evaluate(LOW_CONTRAST)
        assert found["looked"] > 10
        assert found["low"] == [], path
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(18, 18, 20)") == (scheme == "dark")
    context.close()


def test_everything_is_reached_with_the_keyboard_and_shows_its_focus(page: Page, site: str) -> None:
    for path in a_full_site():
        page.goto(site + path)
        wanted = page.evaluate(
            """() => [...document.querySelectorAll(
                    "a, button, input, select, summary, [tabindex='0']")]
                .filter((e) => e.checkVisibility() && !e.disabled)
                .map((e, i) => (e.dataset.stop = i)).length"""
        )
        reached = set()
        for _ in range(wanted):
            page.keyboard.press("Tab")
            reached.add(page.evaluate("document.activeElement.dataset.stop"))
            style = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            assert style == "solid", page.evaluate("document.activeElement.outerHTML")
        assert len(reached) == wanted, path


def test_the_skip_link_leads_past_the_navigation(page: Page, site: str) -> None:
    page.goto(f"{site}/runs")
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()


def test_each_page_has_its_landmarks_and_one_first_heading(page: Page, site: str) -> None:
    for path in a_full_site():
        page.goto(site + path)
        assert page.get_by_role("main").count() == 1, path
        assert page.get_by_role("banner").count() == 1, path
        assert page.get_by_role("navigation", name="Pages", exact=True).count() == 1, path
        assert page.get_by_role("heading", level=1).count() == 1, path
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
        assert len(ids) == len(set(ids)), path


def test_a_table_stays_a_table_for_screen_readers_on_a_phone(page: Page, site: str) -> None:
    a_full_site()
    page.set_viewport_size({"width": 360, "height": 800})
    page.goto(f"{site}/runs")
    assert page.get_by_role("row").count() == 7
    assert page.get_by_role("columnheader").count() == 6


def test_without_scripts_a_run_can_be_read_and_loaded_again(browser: Browser, site: str) -> None:
    run = a_running_run()
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{site}/runs/{run}")
    expect(page.get_by_text("step 99", exact=True)).to_be_visible()
    expect(page.get_by_role("button")).to_have_count(0)
    seed.log(run, "build", "one more step")
    page.get_by_role("link", name="Load this page again").click()
    expect(page.get_by_text("one more step")).to_be_visible()
    context.close()


def test_the_client_snippet_is_copied(browser: Browser, site: str) -> None:
    seeded = seed.repository()
    run = seed.run(state="succeeded")
    seed.deployment(seeded, run, seed.package(seeded, run))
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{site}/runs/{run}")
    page.get_by_role("button", name="Copy").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert '"url": "http://127.0.0.1:40001/mcp"' in copied
    context.close()
