"""Settings: what is accepted, and what is said of what is not."""

from pathlib import Path

import pytest

from config.settings import SettingsError, document, load, parse_memory

README = Path(__file__).parents[2] / "README.md"


def test_every_setting_has_a_default_that_is_valid() -> None:
    assert load({}).environment == "development"


def test_all_wrong_values_are_told_at_once_by_their_variables() -> None:
    with pytest.raises(SettingsError) as caught:
        load({"SIGIL_HOST": "cloud", "SIGIL_HEARTBEAT": "-1", "SIGIL_BUILD_MEMORY": "many"})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "SIGIL_HOST",
        "SIGIL_BUILD_MEMORY",
        "SIGIL_HEARTBEAT",
    ]


@pytest.mark.parametrize(
    "variable",
    [
        "SIGIL_ENVIRONMENT",
        "SIGIL_HOST",
        "SIGIL_PUBLIC_URL",
        "SIGIL_SHOW_PRIVATE",
        "SIGIL_BUILD_TIMEOUT",
        "SIGIL_BUILD_MEMORY",
        "SIGIL_BUILD_CPUS",
        "SIGIL_RETENTION_DAYS",
        "GITHUB_APP_ID",
        "GITHUB_WEBHOOK_SECRETS",
        "GITHUB_API_URL",
        "GITHUB_TIMEOUT",
        "SENTRY_DSN",
        "LOG_LEVEL",
        "LOG_FORMAT",
    ],
)
def test_a_wrong_value_is_named_but_never_repeated(variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({variable: "s3ntinel"})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "s3ntinel" not in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SIGIL_BUILD_CPUS", "0"),
        ("SIGIL_BUILD_CPUS", "-1"),
        ("SIGIL_BUILD_CPUS", "inf"),
        ("SIGIL_BUILD_CPUS", "nan"),
        ("GITHUB_APP_ID", "-1"),
        ("GITHUB_APP_ID", "12 34"),
        ("GITHUB_APP_ID", "\N{SUPERSCRIPT TWO}"),
        ("SENTRY_DSN", "https://sentry.example/1"),
        ("SENTRY_DSN", "https://s3ntinel@sentry.example/project"),
        ("SENTRY_DSN", "https://s3ntinel@sentry.example:port/1"),
    ],
)
def test_a_value_that_could_not_work_is_refused(variable: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({variable: value})
    assert str(caught.value).startswith(f"{variable}: ")
    assert "s3ntinel" not in str(caught.value)


def test_a_sentry_dsn_is_taken_as_it_is() -> None:
    dsn = "https://key@o1.sentry.example/42"
    assert load({"SENTRY_DSN": dsn}).sentry_dsn.get_secret_value() == dsn


@pytest.mark.parametrize("lost", ["1", "2"])
def test_a_heartbeat_that_could_not_come_in_time_is_refused(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIGIL_HEARTBEAT", "2")
    monkeypatch.setenv("SIGIL_HEARTBEAT_LOST", lost)
    for environ in ({"SIGIL_HEARTBEAT": "2", "SIGIL_HEARTBEAT_LOST": lost}, None):
        with pytest.raises(SettingsError) as caught:
            load(environ)
        assert str(caught.value).startswith("SIGIL_HEARTBEAT_LOST must be longer than SIGIL_HEART")


@pytest.mark.parametrize(
    ("variable", "secret"),
    [
        ("DATABASE_URL", "s3ntinel"),
        ("REDIS_URL", "s3ntinel"),
        ("GITHUB_PRIVATE_KEY", "s3ntinel"),
        ("SENTRY_DSN", "https://s3ntinel@sentry.example/1"),
    ],
)
def test_a_secret_does_not_show_when_the_settings_are_printed(variable: str, secret: str) -> None:
    assert "s3ntinel" not in repr(load({variable: secret}))


def test_two_webhook_secrets_are_taken_while_one_is_rotated() -> None:
    loaded = load({"GITHUB_WEBHOOK_SECRETS": f"{'n' * 16}, {'o' * 16}"})
    assert [secret.get_secret_value()[0] for secret in loaded.github_webhook_secrets] == ["n", "o"]


@pytest.mark.parametrize("value", ["short", ",".join("abc" * 6 for _ in range(3))])
def test_webhook_secrets_that_are_weak_or_too_many_are_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="GITHUB_WEBHOOK_SECRETS"):
        load({"GITHUB_WEBHOOK_SECRETS": value})


def test_what_is_required_is_named_with_its_meaning() -> None:
    with pytest.raises(SettingsError) as caught:
        load({}).require("database_url", "github_webhook_secrets")
    assert "DATABASE_URL is not set: PostgreSQL" in str(caught.value)
    assert "GITHUB_WEBHOOK_SECRETS is not set" in str(caught.value)


def test_the_private_key_comes_from_the_variable_or_the_file(tmp_path: Path) -> None:
    file = tmp_path / "key.pem"
    file.write_text("from the file")
    assert load({"GITHUB_PRIVATE_KEY_FILE": str(file)}).private_key() == "from the file"
    both = {"GITHUB_PRIVATE_KEY_FILE": str(file), "GITHUB_PRIVATE_KEY": "a\\nb"}
    assert load(both).private_key() == "a\nb"
    with pytest.raises(SettingsError, match="GITHUB_PRIVATE_KEY_FILE"):
        load({"GITHUB_PRIVATE_KEY_FILE": str(tmp_path / "none")}).private_key()
    with pytest.raises(SettingsError, match="GITHUB_PRIVATE_KEY"):
        load({}).private_key()


@pytest.mark.parametrize(("text", "size"), [("512Mi", 2**29), ("2Gi", 2**31), ("1.5Ki", 1536)])
def test_amounts_of_memory(text: str, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "Mi", "-1Mi", "infGi", "nan", "1 TB"])
def test_what_is_no_amount_of_memory(text: str) -> None:
    with pytest.raises(ValueError, match="512Mi"):
        parse_memory(text)


def test_the_readme_shows_the_settings_as_they_are() -> None:
    assert document().strip() in README.read_text()
