"""Words for the pages: ages, durations, links and states as people read them. No HTTP, no SQL."""

import json
from datetime import UTC, datetime
from typing import Any

import humanize
from markdown_it import MarkdownIt
from markupsafe import Markup

from config.settings import settings

STATE_WORDS = {
    "queued": "Queued",
    "running": "Running",
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
    "superseded": "Superseded",
    "pending": "Not started",
    "skipped": "Not reached",
    "received": "Received",
    "done": "Done",
    "ignored": "Ignored",
    "retrying": "Will retry",
    "dead": "Given up",
    "up": "Up",
    "down": "Down",
    "unknown": "Unknown",
    "candidate": "Not proved yet",
    "live": "Live",
    "replaced": "Replaced",
    "stopped": "Stopped",
}
"""What a state is called on a page."""

# Raw HTML stays text, and images are left out: both would let a build log or a manifest of a
# stranger draw on the page. markdown-it itself refuses `javascript:` links.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def now() -> datetime:
    """This moment, with its time zone."""
    return datetime.now(UTC)


def ago(moment: datetime) -> str:
    """The distance to now in words: `3 minutes ago`, `in 20 seconds`."""
    return humanize.naturaltime(now() - moment)


def age(seconds: float) -> str:
    """An age without a direction: `3 minutes`."""
    return humanize.naturaldelta(seconds)


def iso(moment: datetime) -> str:
    """For the `datetime` attribute of `<time>` and for JSON."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp(moment: datetime) -> str:
    """The exact time, for a title."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """How long something took: `0.4 s`, `12 s`, `1 min 24 s`, `2 h 3 min`."""
    seconds = max(seconds, 0)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def took(started: datetime | None, finished: datetime | None) -> str:
    """The time between two moments; until now while the second is missing."""
    if started is None:
        return ""
    return duration(((finished or now()) - started).total_seconds())


def markdown(text: str) -> Markup:
    """Markdown as HTML that cannot do anything: no raw HTML, no images, no script links."""
    return Markup(_markdown.render(text))  # noqa: S704 - markdown-it escapes; see `_markdown`


def inline_markdown(text: str) -> Markup:
    """One line of Markdown, as safe as `markdown`."""
    return Markup(_markdown.renderInline(text))  # noqa: S704 - as above


def ref_name(ref: str) -> str:
    """`main` for `refs/heads/main`, `v1.0.0` for `refs/tags/v1.0.0`, `#7` for pull request 7."""
    if ref.startswith("refs/pull/"):
        return f"#{ref.split('/')[2]}"
    return ref.removeprefix("refs/heads/").removeprefix("refs/tags/")


def repository_url(repository: str) -> str:
    """The repository's page at GitHub."""
    return f"{settings().github_url}/{repository}"


def commit_url(repository: str, sha: str) -> str:
    """The commit's page at GitHub."""
    return f"{repository_url(repository)}/commit/{sha}"


def line_url(repository: str, sha: str, path: str, line: int) -> str:
    """A line of a file at that commit at GitHub."""
    return f"{repository_url(repository)}/blob/{sha}/{path}#L{line}"


def pretty_json(value: Any) -> str:
    """JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False)
