-- What GitHub told us, what we did about it, and what came out.
SET LOCAL lock_timeout = '5s';

-- An account on GitHub where the App is installed. Packages belong to it.
CREATE TABLE workspaces (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id  bigint NOT NULL UNIQUE,      -- GitHub's id: it survives a rename
    login       text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE installations (
    id            bigint PRIMARY KEY,        -- GitHub's id
    workspace_id  bigint NOT NULL REFERENCES workspaces,
    state         text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'suspended', 'deleted')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE repositories (
    id               bigint PRIMARY KEY,     -- GitHub's id
    installation_id  bigint NOT NULL REFERENCES installations,
    workspace_id     bigint NOT NULL REFERENCES workspaces,
    owner            text NOT NULL,
    name             text NOT NULL,
    default_branch   text NOT NULL DEFAULT 'main',
    private          boolean NOT NULL DEFAULT false,
    state            text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'removed')),
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX repositories_by_installation ON repositories (installation_id);

-- Which Sigil this is, so that two of them can share a docker engine without touching each
-- other's servers.
CREATE TABLE sigil_instance (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    name      text NOT NULL DEFAULT substr(md5(random()::text || clock_timestamp()::text), 1, 8)
);
INSERT INTO sigil_instance DEFAULT VALUES;

-- What has to be asked of GitHub before a run can be made: the head of a repository that is new
-- to us (ref is null), or the commit of a tag.
CREATE TABLE lookups (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id  bigint NOT NULL REFERENCES repositories,
    ref            text,
    delivery_id    bigint,
    state          text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    reason         text,
    attempts       integer NOT NULL DEFAULT 0,
    due_at         timestamptz NOT NULL DEFAULT now(),
    created_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX lookups_waiting ON lookups (repository_id, coalesce(ref, '')) WHERE state = 'waiting';

-- The ledger. A row is written before GitHub gets its answer.
CREATE TABLE deliveries (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    guid         uuid NOT NULL UNIQUE,       -- X-GitHub-Delivery, the same in a redelivery
    event        text NOT NULL,
    action       text,
    hook_id      bigint,
    state        text NOT NULL DEFAULT 'received'
                 CHECK (state IN ('received', 'queued', 'done', 'ignored', 'failed', 'dead')),
    reason       text,                       -- why ignored, failed or dead; what came of it when done
    attempts     integer NOT NULL DEFAULT 0, -- how often it was processed
    receptions   integer NOT NULL DEFAULT 1, -- how often GitHub sent it
    payload      bytea NOT NULL,
    repository   text,                       -- owner/name as the payload says, for people
    private      boolean NOT NULL DEFAULT false,  -- it names a private repository
    received_at  timestamptz NOT NULL DEFAULT now(),
    due_at       timestamptz NOT NULL DEFAULT now(),  -- not to be processed before
    finished_at  timestamptz
);
-- Only what waits is in here, so that the sweep stays fast however long the ledger grows.
CREATE INDEX deliveries_waiting ON deliveries (due_at) WHERE state IN ('received', 'queued', 'failed');
CREATE INDEX deliveries_by_state ON deliveries (state, private, id DESC);
CREATE INDEX deliveries_finished ON deliveries (finished_at) WHERE finished_at IS NOT NULL;

CREATE TABLE runs (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id   bigint NOT NULL REFERENCES repositories,
    private         boolean NOT NULL DEFAULT false,  -- the repository's, see 0004
    kind            text NOT NULL CHECK (kind IN ('deploy', 'release')),
    environment     text NOT NULL,
    ref             text NOT NULL,           -- refs/heads/main, refs/tags/v1.0.0
    sha             text NOT NULL CHECK (sha ~ '^[0-9a-f]{40}$'),
    before_sha      text,                    -- what the branch pointed at before the push
    attempt         integer NOT NULL DEFAULT 1,
    parent_id       bigint REFERENCES runs,  -- the run that this one repeats
    requested       boolean NOT NULL DEFAULT false,  -- by a person: whatever the branch says now
    delivery_id     bigint,                  -- no foreign key: the ledger has a shorter life
    state           text NOT NULL DEFAULT 'queued'
                    CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'superseded')),
    superseded_by   text,                    -- the newer commit
    stop_requested  text CHECK (stop_requested IN ('cancelled', 'superseded')),
    title           text,                    -- one line: what came of it
    error           jsonb,                   -- the StageError, when failed
    due_at          timestamptz NOT NULL DEFAULT now(),
    claim           uuid,                    -- which worker owns it; a worker without it may not write
    claims          integer NOT NULL DEFAULT 0,
    retries         integer NOT NULL DEFAULT 0,
    heartbeat_at    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    started_at      timestamptz,
    finished_at     timestamptz,
    -- Reporting: the revision grows with each change that GitHub should see.
    revision            integer NOT NULL DEFAULT 1,
    reported_revision   integer NOT NULL DEFAULT 0,
    report_due_at       timestamptz NOT NULL DEFAULT now(),
    report_attempts     integer NOT NULL DEFAULT 0,  -- since the last success
    report_error        text,
    check_run_id        bigint,
    status_reported     text,                -- the commit status that GitHub has
    UNIQUE (repository_id, sha, kind, environment, attempt)
);
CREATE UNIQUE INDEX runs_one_running ON runs (repository_id, environment) WHERE state = 'running';
CREATE INDEX runs_waiting ON runs (due_at) WHERE state = 'queued';
CREATE INDEX runs_running ON runs (heartbeat_at) WHERE state = 'running';
CREATE INDEX runs_unreported ON runs (report_due_at) WHERE reported_revision < revision;
CREATE INDEX runs_by_target ON runs (repository_id, environment, id DESC);

CREATE TABLE run_stages (
    run_id       bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    stage        text NOT NULL,
    position     integer NOT NULL,
    state        text NOT NULL CHECK (state IN ('running', 'succeeded', 'failed', 'cancelled')),
    result       jsonb,                      -- what later stages and a resumed run need
    started_at   timestamptz NOT NULL DEFAULT now(),
    finished_at  timestamptz,
    PRIMARY KEY (run_id, stage)
);

CREATE TABLE run_logs (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_id   bigint NOT NULL REFERENCES runs ON DELETE CASCADE,
    stage    text NOT NULL,
    at       timestamptz NOT NULL DEFAULT now(),
    line     text NOT NULL
);
CREATE INDEX run_logs_by_run ON run_logs (run_id, id);

CREATE TABLE mcp_packages (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    workspace_id   bigint NOT NULL REFERENCES workspaces,
    repository_id  bigint NOT NULL REFERENCES repositories,
    private        boolean NOT NULL DEFAULT false,  -- the repository's, see 0004
    name           text NOT NULL,            -- io.github.<owner>/<name>
    title          text NOT NULL,
    description    text NOT NULL,
    categories     text[] NOT NULL DEFAULT '{}',
    tags           text[] NOT NULL DEFAULT '{}',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX mcp_packages_name ON mcp_packages (lower(name));

-- Immutable: a version says for ever which commit it was built from.
CREATE TABLE mcp_versions (
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    package_id    bigint NOT NULL REFERENCES mcp_packages,
    version       text NOT NULL,
    sha           text NOT NULL,
    run_id        bigint NOT NULL REFERENCES runs,
    artifact      jsonb NOT NULL,            -- the image's digest, or the built folder
    manifest      jsonb NOT NULL,
    protocol      text NOT NULL,             -- MCP protocol version of the handshake
    server_info   jsonb NOT NULL,
    published_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (package_id, version)
);

CREATE TABLE mcp_tools (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    version_id     bigint NOT NULL REFERENCES mcp_versions ON DELETE CASCADE,
    name           text NOT NULL,
    title          text,
    description    text,
    input_schema   jsonb NOT NULL,
    output_schema  jsonb,
    annotations    jsonb,
    hash           text NOT NULL,            -- identity: SHA-256 of the canonical JSON (RFC 8785)
    verified       boolean NOT NULL,         -- false: declared in mcp.yaml, listing needed credentials
    UNIQUE (version_id, name)
);

CREATE TABLE mcp_deployments (
    id             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    repository_id  bigint NOT NULL REFERENCES repositories,
    package_id     bigint REFERENCES mcp_packages,
    version_id     bigint REFERENCES mcp_versions,
    run_id         bigint NOT NULL UNIQUE REFERENCES runs,
    environment    text NOT NULL,
    host           text NOT NULL,            -- docker or process
    host_id        text NOT NULL,            -- the server's name on its host
    url            text NOT NULL,
    artifact       jsonb NOT NULL,
    handshake      jsonb,                    -- what the server answered: protocol, server, tools
    state          text NOT NULL DEFAULT 'candidate'
                   CHECK (state IN ('candidate', 'live', 'replaced', 'stopped', 'failed')),
    discarded      boolean NOT NULL DEFAULT false,  -- the artifact is gone: no way back to it
    created_at     timestamptz NOT NULL DEFAULT now(),
    live_at        timestamptz,
    ended_at       timestamptz
);
CREATE UNIQUE INDEX mcp_deployments_one_live ON mcp_deployments (repository_id, environment) WHERE state = 'live';
CREATE INDEX mcp_deployments_by_package ON mcp_deployments (package_id, id DESC);
