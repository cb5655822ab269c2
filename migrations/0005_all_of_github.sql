-- Pull requests with previews, commands, rollbacks, and what becomes of repositories over the years.
SET LOCAL lock_timeout = '5s';

ALTER TABLE repositories
    ADD COLUMN archived       boolean NOT NULL DEFAULT false,
    ADD COLUMN gone_at        timestamptz,   -- removed or uninstalled then; torn down after a grace period
    ADD COLUMN torn_down_at   timestamptz,
    ADD COLUMN reconciled_at  timestamptz;   -- last compared with GitHub
CREATE INDEX repositories_gone ON repositories (gone_at) WHERE gone_at IS NOT NULL AND torn_down_at IS NULL;

-- What GitHub granted, so that the status page can say which permission is missing.
ALTER TABLE installations ADD COLUMN permissions jsonb NOT NULL DEFAULT '{}';

-- Names that a repository had before it was renamed or transferred: old links lead on.
CREATE TABLE former_names (
    full_name      text PRIMARY KEY,         -- owner/name in lower case
    repository_id  bigint NOT NULL REFERENCES repositories,
    since          timestamptz NOT NULL DEFAULT now()
);

-- A person rolled back from it: a later rollback does not come back to it.
ALTER TABLE mcp_deployments ADD COLUMN withdrawn boolean NOT NULL DEFAULT false;

ALTER TABLE mcp_packages ADD COLUMN deleted_at timestamptz;  -- its repository is gone; restorable
CREATE TABLE former_package_names (
    name        text PRIMARY KEY,            -- in lower case
    package_id  bigint NOT NULL REFERENCES mcp_packages,
    since       timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pull_requests (
    repository_id     bigint NOT NULL REFERENCES repositories,
    number            integer NOT NULL,
    head_sha          text NOT NULL CHECK (head_sha ~ '^[0-9a-f]{40}$'),
    head_ref          text NOT NULL,
    head_repository   text,                  -- owner/name; null when the fork was deleted
    fork              boolean NOT NULL,
    base_ref          text NOT NULL,
    author            text NOT NULL,
    draft             boolean NOT NULL DEFAULT false,
    state             text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'closed')),
    merged            boolean NOT NULL DEFAULT false,
    comment_id        bigint,                -- Sigil's one comment
    comment_reported  text,                  -- what it says at GitHub
    retired_at        timestamptz,           -- its preview is gone, at GitHub too
    created_at        timestamptz NOT NULL DEFAULT now(),
    updated_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository_id, number)
);
CREATE INDEX pull_requests_unretired ON pull_requests (repository_id, number) WHERE retired_at IS NULL;

-- A person with write permission let this commit of a fork be deployed; a new commit needs a new one.
CREATE TABLE approvals (
    repository_id  bigint NOT NULL,
    number         integer NOT NULL,
    sha            text NOT NULL CHECK (sha ~ '^[0-9a-f]{40}$'),
    approved_by    text NOT NULL,
    approved_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (repository_id, number, sha),
    FOREIGN KEY (repository_id, number) REFERENCES pull_requests
);

ALTER TABLE runs DROP CONSTRAINT runs_kind_check, DROP CONSTRAINT runs_state_check;
ALTER TABLE runs
    ADD CONSTRAINT runs_kind_check
        CHECK (kind IN ('deploy', 'release', 'preview', 'check', 'rollback')) NOT VALID,
    ADD CONSTRAINT runs_state_check
        CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled', 'superseded',
                         'skipped')) NOT VALID,
    ADD COLUMN pull_number           integer,
    ADD COLUMN trusted               boolean NOT NULL DEFAULT true,  -- false: of a fork, nobody approved it
    ADD COLUMN actor                 text,       -- the person who asked for it, when one did
    ADD COLUMN target_id             bigint REFERENCES mcp_deployments,  -- what a rollback brings back
    ADD COLUMN deploy_settings       jsonb,      -- the `deploy:` that holds; of the base branch for a pull request
    ADD COLUMN remark                text,       -- what happened to it after its end, for its check
    ADD COLUMN artifact_settled      boolean NOT NULL DEFAULT false,  -- kept by a deployment, or gone
    ADD COLUMN check_reported        text,       -- the fingerprint of the check run that GitHub has
    ADD COLUMN github_deployment_id  bigint,
    ADD COLUMN deployment_reported   text;       -- the deployment status that GitHub has
ALTER TABLE runs VALIDATE CONSTRAINT runs_kind_check, VALIDATE CONSTRAINT runs_state_check;
CREATE INDEX runs_unsettled ON runs (finished_at) WHERE NOT artifact_settled AND finished_at IS NOT NULL;
CREATE INDEX runs_by_pull_request ON runs (repository_id, pull_number, id DESC) WHERE pull_number IS NOT NULL;

-- What has to be asked of GitHub, or said there, outside of a run.
CREATE TABLE errands (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind             text NOT NULL,
    repository_id    bigint NOT NULL REFERENCES repositories,
    subject          text NOT NULL DEFAULT '',   -- a ref, a pull request: errands of one are done in order
    details          jsonb NOT NULL DEFAULT '{}',
    delivery_id      bigint,
    state            text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'done', 'failed')),
    reason           text,
    asks             integer NOT NULL DEFAULT 1,  -- how often: when it grows meanwhile, once more
    attempts         integer NOT NULL DEFAULT 0,
    due_at           timestamptz NOT NULL DEFAULT now(),
    created_at       timestamptz NOT NULL DEFAULT now(),
    finished_at      timestamptz
);
CREATE UNIQUE INDEX errands_waiting ON errands (repository_id, kind, subject, md5(details::text))
    WHERE state = 'waiting';
CREATE INDEX errands_due ON errands (due_at) WHERE state = 'waiting';
CREATE INDEX errands_in_order ON errands (repository_id, kind, subject, id) WHERE state = 'waiting';
CREATE INDEX errands_by_delivery ON errands (delivery_id);
CREATE INDEX errands_finished ON errands (finished_at) WHERE finished_at IS NOT NULL;

INSERT INTO errands (kind, repository_id, subject, delivery_id, state, reason, attempts, due_at, created_at)
    SELECT CASE WHEN ref IS NULL THEN 'first_look' ELSE 'tag' END, repository_id, coalesce(ref, ''),
           delivery_id, state, reason, attempts, due_at, created_at FROM lookups;
DROP TABLE lookups;
