"""What is made of the engine's build messages."""

import pytest

from pipeline.builders.build_log import BuildLog
from tests.servers import Lines


def _taken(
    *messages: dict[str, object], titles: tuple[str | None, ...] = ()
) -> tuple[BuildLog, Lines]:
    lines = Lines()
    log = BuildLog(lines, titles)
    for message in messages:
        log.take(message)
    return log, lines


def test_lines_that_come_in_pieces_are_put_together() -> None:
    _, lines = _taken({"stream": "one\ntw"}, {"stream": "o\n"})

    assert lines.lines == ["one", "two"]


def test_of_a_progress_bar_the_end_is_kept_and_colours_go() -> None:
    _, lines = _taken({"stream": "10%\r50%\r\x1b[32m100%\x1b[0m\n"})

    assert lines.lines == ["100%"]


def test_a_step_carries_its_title_and_the_engines_bookkeeping_is_left_out() -> None:
    _, lines = _taken(
        {"stream": "Step 2/3 : RUN npm ci"},
        {"stream": "\n"},
        {"stream": " ---> Running in 0a1b2c\n"},
        {"stream": "Removing intermediate container 0a1b2c\n ---> 9f8e7d\n"},
        {"stream": "Step 3/3 : COPY . .\n ---> Using cache\n"},
        titles=(None, "Install the dependencies"),
    )

    assert lines.lines == [
        "Step 2/3: Install the dependencies",
        "Step 3/3: COPY . .",
        " ---> Using cache",
    ]


@pytest.mark.parametrize(
    ("error", "fault", "words"),
    [
        ({"message": "returned a non-zero code: 2", "code": 2}, "yours", "exit status 2"),
        ({"message": "returned a non-zero code: 137", "code": 137}, "yours", "64 MiB"),
        ({"message": "COPY failed: no such file: x"}, "yours", "COPY failed"),
        ({"message": "the --mount option requires BuildKit"}, "yours", "without BuildKit"),
        ({"message": "write /x: no space left on device"}, "ours", "make room"),
    ],
)
def test_a_failure_says_where_why_and_whose(
    error: dict[str, object], fault: str, words: str
) -> None:
    log, lines = _taken(
        {"stream": "Step 1/1 : RUN make\n"}, {"errorDetail": error, "error": error["message"]}
    )

    failure = log.failure(64 * 2**20)

    assert failure.fault == fault
    assert words in failure.detail
    assert str(error["message"]) in lines.text
    if fault == "yours":
        assert failure.title == "The build failed at: RUN make"
