"""A Sigil without a GitHub App, which /setup can create."""

from collections.abc import Iterator

import pytest

from config.sealing import new_key
from config.settings import settings
from pipeline.github.client import client
from registry import github_app


@pytest.fixture
def no_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No variable names an App; there are keys."""
    for variable in (
        "GITHUB_APP_ID",
        "GITHUB_PRIVATE_KEY",
        "GITHUB_PRIVATE_KEY_FILE",
        "GITHUB_WEBHOOK_SECRETS",
        "SIGIL_SETUP_TOKEN",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SIGIL_KEYS", new_key())
    settings.cache_clear()
    github_app.forget()
    client.cache_clear()
    yield
    settings.cache_clear()
    github_app.forget()
    client.cache_clear()
