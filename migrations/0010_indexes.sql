-- What is asked again and again reads the rows that it is about, however long the history is.
-- Each index here is built while its table may not be written to: some seconds for a million rows.
SET LOCAL lock_timeout = '5s';

-- What an environment has served: by state, and what ended when something else became live.
CREATE INDEX mcp_deployments_by_target ON mcp_deployments (repository_id, environment, state, ended_at);
-- Only the few whose artifact is still there can be gone back to, or be cleared up.
CREATE INDEX mcp_deployments_kept ON mcp_deployments (repository_id, environment, id DESC)
    WHERE NOT discarded;
CREATE INDEX mcp_deployments_by_artifact ON mcp_deployments USING hash (artifact) WHERE NOT discarded;
CREATE INDEX mcp_deployments_wanted ON mcp_deployments (host) WHERE state IN ('live', 'candidate');

-- The commit that came right after another one, and the releases of a tag.
CREATE INDEX runs_after ON runs (repository_id, before_sha) WHERE before_sha IS NOT NULL;
CREATE INDEX runs_of_tags ON runs (repository_id, ref) WHERE kind = 'release';
-- What GitHub would not hear.
CREATE INDEX runs_refused ON runs (finished_at) WHERE report_error IS NOT NULL;

-- Whether a commit was looked at already, or a tag.
CREATE INDEX errands_by_commit ON errands (repository_id, kind, subject, (details ->> 'sha'))
    WHERE state <> 'failed';

CREATE INDEX repositories_to_compare ON repositories (reconciled_at NULLS FIRST)
    WHERE state = 'active' AND NOT archived;

-- Lookups that had become errands did not say when they were finished, so that they stayed for ever.
UPDATE errands SET finished_at = created_at WHERE state <> 'waiting' AND finished_at IS NULL;
