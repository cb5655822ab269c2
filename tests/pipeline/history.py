"""Years of history in a database: many finished runs, deployments, errands and pull requests, half
of them one busy repository's."""

import psycopg

REPOSITORIES = 50

_STATEMENTS = (
    """INSERT INTO workspaces (account_id, login)
       SELECT n, 'owner-' || n FROM generate_series(1, {repositories}) AS n""",
    """INSERT INTO installations (id, workspace_id)
       SELECT account_id, id FROM workspaces""",
    """INSERT INTO repositories (id, installation_id, workspace_id, owner, name, reconciled_at)
       SELECT account_id, account_id, id, login, 'server', now() FROM workspaces""",
    # One repository has half of everything.
    """INSERT INTO runs (repository_id, kind, environment, ref, sha, before_sha, state, pull_number,
                         created_at, started_at, finished_at, reported_revision,
                         artifact_settled)
       SELECT CASE WHEN n % 2 = 0 THEN 1 ELSE 1 + n % {repositories} END,
              CASE WHEN n % 5 = 0 THEN 'preview' ELSE 'deploy' END,
              CASE WHEN n % 5 = 0 THEN 'preview/pr-' || n / 10 ELSE 'production' END,
              CASE WHEN n % 5 = 0 THEN 'refs/pull/' || n / 10 || '/head'
                   ELSE 'refs/heads/main' END,
              lpad(to_hex(n), 40, '0'), lpad(to_hex(n - 1), 40, '0'), 'succeeded',
              CASE WHEN n % 5 = 0 THEN n / 10 END,
              moment, moment, moment, 1, true
       FROM (SELECT n, now() - make_interval(mins => {rows} - n) AS moment
             FROM generate_series(1, {rows}) AS n) AS each""",
    """INSERT INTO run_stages (run_id, stage, position, state, result)
       SELECT id, stage, 2, 'succeeded', jsonb_build_object('artifact', {artifact})
       FROM runs AS d, unnest(ARRAY['manifest', 'build']) AS stage""",
    """INSERT INTO run_logs (run_id, stage, line) SELECT id, 'build', 'a line' FROM runs""",
    """INSERT INTO mcp_deployments (repository_id, run_id, environment, host, host_id, url,
                                    artifact, state, discarded, live_at, ended_at)
       SELECT repository_id, id, environment, 'process', 'sigil-' || id, '', {artifact},
              CASE WHEN kind = 'preview' THEN 'stopped' WHEN age = 1 THEN 'live'
                   ELSE 'replaced' END,
              kind = 'preview' OR age > 4, finished_at,
              CASE WHEN kind = 'preview' OR age > 1 THEN finished_at + interval '1 second' END
       FROM (SELECT *, row_number() OVER (PARTITION BY repository_id, environment
                                          ORDER BY id DESC) AS age FROM runs) AS d""",
    """INSERT INTO pull_requests (repository_id, number, head_sha, head_ref, fork, base_ref, author,
                                  state, retired_at)
       SELECT repository_id, pull_number, min(sha), 'feature', true, 'main', 'someone', 'closed',
              now() - interval '1 year'
       FROM runs WHERE pull_number IS NOT NULL GROUP BY repository_id, pull_number""",
    """INSERT INTO errands (kind, repository_id, subject, details, state, finished_at)
       SELECT 'push', repository_id, ref, jsonb_build_object('sha', sha), 'done', finished_at
       FROM runs WHERE kind = 'deploy'""",
    """INSERT INTO deliveries (guid, event, state, payload, repository, finished_at)
       SELECT gen_random_uuid(), 'push', 'done', '', 'owner-1/server', now()
       FROM generate_series(1, {rows})""",
    "ANALYZE",
)


def fill(url: str, rows: int) -> None:
    """Put `rows` runs, and all that belongs to them, into an empty database."""
    words = {
        "rows": str(rows),
        "repositories": str(REPOSITORIES),
        "artifact": "jsonb_build_object('kind', 'folder', 'reference', 'builds/run-' || d.id, "
        "'digest', 'sha256:' || d.sha)",
    }
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in _STATEMENTS:
            connection.execute(statement.format(**words).encode())
