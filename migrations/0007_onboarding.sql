-- The one pull request that offers a repository its first mcp.yaml, and what its people made of it.
SET LOCAL lock_timeout = '5s';

CREATE TABLE onboardings (
    repository_id  bigint PRIMARY KEY REFERENCES repositories,
    -- declined and merged are final: nobody is asked twice.
    state          text NOT NULL DEFAULT 'wanted'
                   CHECK (state IN ('wanted', 'open', 'merged', 'declined', 'not_needed', 'impossible')),
    pull_number    integer,
    reason         text,                     -- in words, for people
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now()
);
