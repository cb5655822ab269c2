"""The log of a run: cleaned, bounded, and written whatever happens to PostgreSQL in between."""

import pytest

from config.database import transaction
from pipeline import run_logs
from pipeline.run_logs import RunLog, clean, tail
from sandbox.embedded import Postgres
from tests import seed


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        ("\x1b[31mred\x1b[0m and \x1b]8;;http://x\x07link", "red and link"),
        ("10%\r50%\r100% done\n", "100% done"),
        ("tab\tstays, bell\x07 and nul\x00 go", "tab\tstays, bell and nul go"),
        ("token ghs_0123456789abcdef0123 here", "token [redacted] here"),
        ("x" * 9_000, "x" * run_logs.MAX_LINE),
    ],
)
def test_a_line_is_kept_without_terminal_codes_and_secrets(line: str, kept: str) -> None:
    assert clean(line) == kept


def test_lines_keep_their_order_and_stage(database_url: str) -> None:
    run_id = _run()
    with RunLog(run_id) as log:
        for number in range(250):
            log("build" if number < 200 else "deploy", f"line {number}")
    with transaction() as connection:
        assert tail(connection, run_id, None, lines=3) == ["line 247", "line 248", "line 249"]
        assert tail(connection, run_id, "build", lines=2) == ["line 198", "line 199"]


def test_a_log_that_never_ends_is_cut_and_says_so(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_logs, "MAX_LINES", 10)
    run_id = _run()
    for _ in range(2):
        with RunLog(run_id) as log:
            for number in range(100):
                log("build", f"line {number}")
    with transaction() as connection:
        lines = tail(connection, run_id, None, lines=50)
    assert len(lines) <= 11
    assert "not kept" in lines[9]


@pytest.mark.usefixtures("impatient")
def test_lines_wait_while_postgresql_is_away(database_url: str, postgres: Postgres) -> None:
    run_id = _run()
    with RunLog(run_id) as log:
        log("build", "before")
        log.flush()
        postgres.stop()
        log("build", "while away")
        log.flush()
        postgres.start()
    with transaction() as connection:
        assert tail(connection, run_id, None, lines=5) == ["before", "while away"]


def _run() -> int:
    return seed.run(seed.repository().repository_id)
