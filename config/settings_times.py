"""The settings of time: how soon what was lost is noticed, and how long things are kept."""

from typing import Annotated, Self

from pydantic import BaseModel, Field, model_validator

from config.setting import Seconds, variable


class TimeSettings(BaseModel):
    """Heartbeats, sweeps, grace and retention."""

    heartbeat: Annotated[
        Seconds, variable("SIGIL_HEARTBEAT", description="Seconds between two heartbeats of a run.")
    ] = 2
    heartbeat_lost: Annotated[
        Seconds,
        variable(
            "SIGIL_HEARTBEAT_LOST",
            description="Seconds without a heartbeat until a run is handed to another worker; "
            "several times `SIGIL_HEARTBEAT`.",
        ),
    ] = 20
    sweep_interval: Annotated[
        int,
        Field(ge=1, le=3600),
        variable("SIGIL_SWEEP_INTERVAL", description="Seconds between two sweeps of what waits."),
    ] = 10
    recovery_interval: Annotated[
        int,
        Field(ge=1, le=86_400),
        variable(
            "SIGIL_RECOVERY_INTERVAL",
            description="Seconds between two looks for deliveries that GitHub could not deliver.",
        ),
    ] = 3600
    grace_days: Annotated[
        float,
        Field(ge=0, le=365),
        variable(
            "SIGIL_GRACE_DAYS",
            description="Days that servers go on after the App lost their repository (removed, "
            "deleted, uninstalled). Until then nothing is lost when it comes back.",
        ),
    ] = 3
    onboarding: Annotated[
        bool,
        variable(
            "SIGIL_ONBOARDING",
            description="Offer a repository without `mcp.yaml` a pull request that adds one, once.",
        ),
    ] = True
    database_timeout: Annotated[
        Seconds,
        variable(
            "DATABASE_TIMEOUT",
            description="Seconds to wait for a connection to PostgreSQL before giving up.",
        ),
    ] = 5
    retention_days: Annotated[
        int,
        Field(ge=4),
        variable(
            "SIGIL_RETENTION_DAYS",
            description="Days that finished deliveries, errands and run logs are kept. At least 4, "
            "because GitHub redelivers for 3.",
        ),
    ] = 90

    @model_validator(mode="after")
    def _heartbeats_in_time(self) -> Self:
        if self.heartbeat_lost <= self.heartbeat:
            raise ValueError(
                "SIGIL_HEARTBEAT_LOST must be longer than SIGIL_HEARTBEAT: otherwise a run that "
                "goes well is taken from its worker between two heartbeats."
            )
        return self
