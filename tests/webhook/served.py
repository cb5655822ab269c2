"""A repository of which one version serves after another, as runs have left it."""

from psycopg.types.json import Jsonb

from config.database import transaction
from tests import seed


def sha(number: int) -> str:
    """A commit whose first digits tell it from others; for 1 to 9."""
    return str(number) * 40


def serve(
    seeded: seed.Seeded,
    number: int,
    *,
    version: str,
    state: str,
    environment: str = "production",
    published: seed.Published | None = None,
) -> int:
    """A deployment of the commit `sha(number)` that is `live` or was `replaced`; returns its run's
    id. A greater number became live later."""
    run = seed.run(
        seeded.repository_id,
        state="succeeded",
        commit=sha(number),
        environment=environment,
        title=f"{version} is live",
    )
    seed.stage(run, "source", 0, state="succeeded", result={"files": 3})
    seed.stage(run, "manifest", 1, state="succeeded", result={"manifest": {"version": version}})
    seed.stage(run, "build", 2, state="succeeded", result={"built": version})
    deployment = seed.deployment(seeded, run, published, state=state, environment=environment)
    with transaction() as connection:
        connection.execute(
            """UPDATE mcp_deployments
               SET artifact = %s, live_at = timestamptz '2026-01-01' + make_interval(mins => %s)
               WHERE id = %s""",
            (Jsonb({"digest": f"sha256:{number}"}), number, deployment),
        )
    return run
