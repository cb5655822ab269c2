"""What a Sigil in use had in its database before each migration: every table, every state."""

_SHA = "lpad(to_hex(n), 40, '0')"

DATA: dict[int, tuple[str, ...]] = {
    # By the number of the newest migration then.
    1: (
        "INSERT INTO workspaces (account_id, login) VALUES (1, 'octo'), (2, 'acme')",
        """INSERT INTO installations (id, workspace_id, state)
           VALUES (1, 1, 'active'), (2, 2, 'suspended'), (3, 2, 'deleted')""",
        """INSERT INTO repositories (id, installation_id, workspace_id, owner, name, private, state)
           VALUES (1, 1, 1, 'octo', 'weather', false, 'active'),
                  (2, 2, 2, 'acme', 'hidden', true, 'active'),
                  (3, 3, 2, 'acme', 'gone', false, 'removed')""",
        """INSERT INTO deliveries (guid, event, action, state, reason, payload, repository,
                                   finished_at)
           SELECT gen_random_uuid(), 'push', NULL, state, 'why', '{}', 'octo/weather',
                  CASE WHEN state IN ('done', 'ignored', 'dead') THEN now() END
           FROM unnest(ARRAY['received', 'queued', 'done', 'ignored', 'failed', 'dead'])
                AS state""",
        """INSERT INTO lookups (repository_id, ref, delivery_id, state, reason, attempts)
           VALUES (1, NULL, 1, 'waiting', NULL, 0), (1, 'refs/tags/v1', 2, 'waiting', 'away', 2),
                  (2, NULL, 3, 'waiting', NULL, 0), (1, 'refs/tags/v0', 4, 'done', 'a run', 1),
                  (1, 'refs/tags/v0.1', 4, 'failed', 'no such tag', 4)""",
        # The newest of each state, and an older one of the same, which has been told to GitHub.
        f"""INSERT INTO runs (repository_id, kind, environment, ref, sha, state, private, title,
                              error, claim, claims, heartbeat_at, started_at, finished_at, revision,
                              reported_revision, check_run_id, status_reported, delivery_id)
            SELECT 1, CASE WHEN n % 2 = 0 THEN 'release' ELSE 'deploy' END,
                   'production', 'refs/heads/main', {_SHA}, state, false, 'A title',
                   CASE state WHEN 'failed' THEN
                       '{{"stage": "build", "title": "No", "detail": "Pin it.", "fault": "yours",
                          "annotations": []}}'::jsonb END,
                   CASE state WHEN 'running' THEN gen_random_uuid() END,
                   CASE state WHEN 'queued' THEN 0 ELSE 1 END,
                   CASE state WHEN 'running' THEN now() END,
                   CASE WHEN state <> 'queued' THEN now() END,
                   CASE WHEN state NOT IN ('queued', 'running') THEN now() END,
                   3, 2, 100 + n, 'success', 1
            FROM unnest(ARRAY['succeeded', 'succeeded', 'failed', 'cancelled', 'superseded',
                              'running', 'queued'])
                 WITH ORDINALITY AS each (state, n)""",
        f"""INSERT INTO runs (repository_id, kind, environment, ref, sha, private)
            SELECT n, 'deploy', 'production', 'refs/heads/main', {_SHA}, n = 2
            FROM generate_series(2, 3) AS n""",
        """INSERT INTO run_stages (run_id, stage, position, state, result, finished_at)
           SELECT id, stage, position, CASE WHEN state = 'running' AND stage = 'build'
                                            THEN 'running' ELSE 'succeeded' END,
                  CASE stage WHEN 'manifest' THEN '{"manifest": {"version": "1.0.0"}}'::jsonb
                             WHEN 'publish' THEN '{"package": "io.github.octo/weather",
                                 "version": "1.0.0", "url": "http://127.0.0.1:1/mcp"}'
                             ELSE '{}' END, now()
           FROM runs, unnest(ARRAY['source', 'manifest', 'build', 'deploy', 'verify', 'publish'])
                      WITH ORDINALITY AS each (stage, position)
           WHERE state = 'succeeded' OR (state = 'running' AND position < 4)""",
        "INSERT INTO run_logs (run_id, stage, line) SELECT id, 'build', 'a line' FROM runs",
        """INSERT INTO mcp_packages (workspace_id, repository_id, private, name, title, description)
           VALUES (1, 1, false, 'io.github.octo/weather', 'Weather', 'Forecasts'),
                  (2, 2, true, 'io.github.acme/hidden', 'Hidden', 'Nothing to see')""",
        """INSERT INTO mcp_versions (package_id, version, sha, run_id, artifact, manifest, protocol,
                                     server_info)
           SELECT 1, '1.0.' || id, sha, id, '{}', '{"version": "1.0.0"}', '2025-06-18', '{}'
           FROM runs WHERE state = 'succeeded'""",
        """INSERT INTO mcp_tools (version_id, name, input_schema, hash, verified)
           SELECT id, 'forecast', '{"type": "object"}', 'hash', true FROM mcp_versions""",
        """INSERT INTO mcp_deployments (repository_id, package_id, version_id, run_id, environment,
                                        host, host_id, url, artifact, handshake, state, live_at,
                                        ended_at)
           SELECT 1, 1, v.id, r.id, 'production', 'process', 'sigil-' || r.id,
                  'http://127.0.0.1:1/mcp',
                  jsonb_build_object('kind', 'folder', 'reference', 'builds/run-' || r.id,
                                     'digest', 'sha256:' || r.id),
                  '{"verdict": "open", "protocol": "2025-06-18", "tools": [], "verified": true}',
                  CASE r.id WHEN 2 THEN 'live' WHEN 1 THEN 'replaced' ELSE 'candidate' END,
                  CASE WHEN r.id <= 2 THEN now() + make_interval(secs => r.id) END,
                  CASE r.id WHEN 1 THEN now() END
           FROM runs r LEFT JOIN mcp_versions v ON v.run_id = r.id
           WHERE r.state IN ('succeeded', 'running')""",
    ),
    5: (
        """INSERT INTO former_names (full_name, repository_id) VALUES ('octo/old-weather', 1)""",
        """INSERT INTO former_package_names (name, package_id)
           VALUES ('io.github.old/weather', 1)""",
        f"""INSERT INTO pull_requests (repository_id, number, head_sha, head_ref, fork, base_ref,
                                       author, state, retired_at)
            SELECT 1, n, {_SHA}, 'topic', n = 2, 'main', 'someone',
                   CASE n WHEN 3 THEN 'closed' ELSE 'open' END, CASE n WHEN 3 THEN now() END
            FROM generate_series(1, 3) AS n""",
        """INSERT INTO approvals (repository_id, number, sha, approved_by)
           SELECT 1, number, head_sha, 'octo' FROM pull_requests WHERE number = 2""",
        f"""INSERT INTO runs (repository_id, kind, environment, ref, sha, state, pull_number,
                              trusted, target_id, finished_at)
            SELECT 1, kind, environment, 'refs/heads/main', {_SHA}, state, number, kind <> 'check',
                   CASE kind WHEN 'rollback' THEN 1 END,
                   CASE WHEN state <> 'queued' THEN now() END
            FROM (VALUES (21, 'preview', 'preview/pr-1', 'queued', 1),
                         (22, 'check', 'preview/pr-2', 'succeeded', 2),
                         (23, 'rollback', 'production', 'failed', NULL),
                         (24, 'deploy', 'staging', 'skipped', NULL))
                 AS each (n, kind, environment, state, number)""",
        f"""INSERT INTO errands (kind, repository_id, subject, details, state, finished_at)
            SELECT 'push', 1, 'refs/heads/main', jsonb_build_object('sha', {_SHA}), state,
                   CASE WHEN state <> 'waiting' THEN now() END
            FROM unnest(ARRAY['waiting', 'waiting', 'done', 'failed'])
                 WITH ORDINALITY AS each (state, n)""",
    ),
    6: (
        """INSERT INTO github_app (app_id, slug, name, client_id, html_url, owner, sealed, key_id)
           VALUES (1, 'sigil', 'Sigil', 'Iv1', 'https://github.com/apps/sigil', 'octo', '', 'k')""",
        "INSERT INTO setup_tokens (hash, expires_at) VALUES ('one', now())",
        "INSERT INTO setup_journeys (hash, browser, expires_at) VALUES ('two', 'three', now())",
    ),
    7: (
        """INSERT INTO onboardings (repository_id, state, pull_number)
           VALUES (1, 'declined', 3), (2, 'impossible', NULL)""",
    ),
    8: (
        "UPDATE recovery SET last_swept_at = now() - interval '1 hour', looked = 7",
        """INSERT INTO missed_deliveries (guid, github_id, event, delivered_at)
           VALUES (gen_random_uuid(), 5, 'push', now())""",
    ),
}
"""SQL statements by the number of the migration that was the newest when they were put in."""
