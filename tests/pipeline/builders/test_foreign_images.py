"""Which images a Dockerfile names, however it is written."""

import pytest

from pipeline.builders.foreign_images import images_of
from pipeline.stages.base import StageError

SECRET = "sigil/octo/secret:1"


@pytest.mark.parametrize(
    "dockerfile",
    [
        f"FROM {SECRET}",
        f"from\t--platform=linux/amd64 {SECRET} as x",
        f"# a\n\nFR\\\nOM \\\n# b\n\n {SECRET}\n",
        "ARG A=sigil B='octo/secret'\nARG C=$A/$B\nFROM ${C}:${D:-1}\nARG A=other\n",
        f"FROM scratch\nCOPY --chown=1 --from={SECRET} /app /loot",
        f"FROM scratch AS one\nFROM one\nCOPY --from=one a b\nONBUILD COPY --from={SECRET} a b",
        f"FROM scratch\nCOPY --FROM={SECRET} a b",
        f"FROM scratch\nCOPY --from={SECRET} \\",
        f"FROM scratch\nRUN a \\\\\nFROM {SECRET}\n",
        f"FROM scratch\nRUN a \\\u2028\nFROM {SECRET}\n",
        f"FROM scratch\nRUN a \\\r\r\nFROM {SECRET}\n",
        f"FROM scratch\nRUN a \\\n  # b\nFROM {SECRET}\n",
        f"FROM scratch\nRUN a \\\nFROM scratch AS {SECRET}\n\n\nFROM {SECRET}\n",
    ],
)
def test_an_image_is_found(dockerfile: str) -> None:
    assert images_of(dockerfile) == {SECRET}


@pytest.mark.parametrize(
    "dockerfile",
    [
        'FROM si"gil"/octo/secret:1',
        "FROM sigil\\/octo/secret:1",
        "ARG A=sigil\nFROM ${A:+sigil}/octo/secret:1",
        "ARG A='$B'\nARG C=\"a\\b\"\nFROM $C",
        'FROM scratch\nCOPY --fr"om"=sigil/octo/secret:1 a b',
        'FROM scratch\nCOPY --from="sigil/octo/secret:1" a b',
        "# syntax=x\n#escape=`\nFROM a",
        'FROM scratch\nCOPY --chown="1 --x" --from=sigil/octo/secret:1 a b',
    ],
)
def test_what_cannot_be_followed_is_refused(dockerfile: str) -> None:
    with pytest.raises(StageError) as caught:
        images_of(dockerfile)
    assert caught.value.fault == "yours"


def test_stages_are_no_images() -> None:
    dockerfile = """\
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS Build
RUN echo "$HOME" --from=me \\
    && echo COPY --from=nobody
COPY . .
FROM build
COPY --from=0 /a /b
COPY --from=build ["/a b", "/b"]
"""
    assert images_of(dockerfile) == {"python:3.12-slim"}
    # The number of a stage is a stage to COPY only; FROM takes it for an image's id.
    assert images_of("FROM scratch\nFROM 0\n") == {"0"}
