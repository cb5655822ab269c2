"""The settings of Sigil's own processes: where they keep things, and where they answer."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from config.setting import root, variable


class ProcessSettings(BaseModel):
    """PostgreSQL, Redis, the web process and the folder."""

    database_url: Annotated[
        SecretStr,
        variable("DATABASE_URL", description="PostgreSQL (14 or newer) to keep the truth in."),
    ] = SecretStr("")
    redis_url: Annotated[
        SecretStr,
        variable("REDIS_URL", description="Redis (6 or newer) to ring the queues' doorbell in."),
    ] = SecretStr("")
    environment: Annotated[
        Literal["development", "production"],
        variable(
            "SIGIL_ENVIRONMENT",
            description="`production` refuses the process host, which does not isolate servers.",
        ),
    ] = "development"
    public_url: Annotated[
        str,
        variable(
            "SIGIL_PUBLIC_URL", description="Where people reach the web process; used in links."
        ),
    ] = "http://127.0.0.1:8080"
    show_private: Annotated[
        bool,
        variable(
            "SIGIL_SHOW_PRIVATE",
            description="Show what belongs to private repositories on the pages, which have no "
            "sign-in: only for a Sigil that nobody else can reach.",
        ),
    ] = False
    web_bind: Annotated[
        str,
        variable(
            "WEB_BIND",
            description="Address that the web process listens on, such as `127.0.0.1:8080`. When "
            "it is not set: the port `PORT`, or else 8080, on all of the machine's addresses.",
        ),
    ] = ""
    web_processes: Annotated[
        int,
        Field(ge=1, le=64),
        variable("WEB_CONCURRENCY", description="Processes that answer web requests: one a core."),
    ] = 2
    web_threads: Annotated[
        int,
        Field(ge=1, le=256),
        variable(
            "WEB_THREADS",
            description="Requests that each of them answers at a time. Deliveries that wait "
            "together are stored together.",
        ),
    ] = 32
    var: Annotated[
        Path,
        variable("SIGIL_VAR", description="Folder for work trees, built servers and their logs."),
    ] = Path("var")

    @field_validator("public_url")
    @classmethod
    def _root(cls, value: str) -> str:
        return root(value)

    @field_validator("var")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()
