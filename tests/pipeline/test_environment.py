"""The environment of programs that Sigil did not write."""

import pytest

from config.settings import Settings, variable_of
from pipeline.environment import clean_environment


def test_no_setting_of_sigil_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [variable_of(field) for field in Settings.model_fields]
    for name in (*names, "AWS_SECRET_ACCESS_KEY", "RAILWAY_TOKEN"):
        monkeypatch.setenv(name, "sentinel-9c1b")

    assert "sentinel-9c1b" not in clean_environment().values()


def test_programs_are_found_and_the_network_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/bin")
    monkeypatch.setenv("SSL_CERT_FILE", "/ca.pem")

    passed = clean_environment(PORT="1", PATH="/usr/bin")

    assert passed["SSL_CERT_FILE"] == "/ca.pem"
    assert passed["PORT"] == "1"
    assert passed["PATH"] == "/usr/bin"
