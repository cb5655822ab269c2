"""The settings of building and running servers."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

from config.setting import Seconds, parse_memory, variable


class ServerSettings(BaseModel):
    """Where servers are built and run, and what a build may use."""

    host: Annotated[
        Literal["auto", "docker", "process"],
        variable(
            "SIGIL_HOST",
            description="Where servers run. `auto` takes docker when an engine answers.",
        ),
    ] = "auto"
    namespace: Annotated[
        str,
        variable(
            "SIGIL_NAMESPACE", description="Packages are listed as `<namespace>.<owner>/<name>`."
        ),
    ] = "io.github"
    python_image: Annotated[
        str,
        variable(
            "SIGIL_PYTHON_IMAGE",
            description="Base image of Python servers; `{version}` is the version asked for.",
        ),
    ] = "python:{version}-slim"
    node_image: Annotated[
        str,
        variable(
            "SIGIL_NODE_IMAGE",
            description="Base image of Node servers; `{version}` is the version asked for.",
        ),
    ] = "node:{version}-slim"
    build_timeout: Annotated[
        Seconds, variable("SIGIL_BUILD_TIMEOUT", description="Seconds that one build may take.")
    ] = 900
    build_memory: Annotated[
        str, variable("SIGIL_BUILD_MEMORY", description="Memory that one build may use.")
    ] = "2Gi"
    build_cpus: Annotated[
        float,
        Field(gt=0, allow_inf_nan=False),
        variable("SIGIL_BUILD_CPUS", description="Processors that one build may use."),
    ] = 2.0
    source_max_bytes: Annotated[
        int,
        Field(gt=0),
        variable("SIGIL_SOURCE_MAX_BYTES", description="Size of a repository's files, unpacked."),
    ] = 256 * 1024 * 1024
    source_max_files: Annotated[
        int,
        Field(gt=0),
        variable("SIGIL_SOURCE_MAX_FILES", description="Number of files in a repository."),
    ] = 20_000

    @field_validator("build_memory")
    @classmethod
    def _memory(cls, value: str) -> str:
        parse_memory(value)
        return value
