-- The lists of the pages: each filter walks an index backwards from the newest row. Most readers
-- see only what is public, so each index keeps the two kinds apart: a page of the one never walks
-- over the other.
SET LOCAL lock_timeout = '5s';

CREATE INDEX deliveries_by_privacy ON deliveries (private, id DESC);
CREATE INDEX deliveries_by_event ON deliveries (event, private, id DESC);
CREATE INDEX deliveries_by_repository ON deliveries (lower(repository), private, id DESC);

CREATE INDEX runs_by_privacy ON runs (private, id DESC);
CREATE INDEX runs_by_state ON runs (state, private, id DESC);
CREATE INDEX runs_by_repository ON runs (repository_id, id DESC);
CREATE INDEX runs_by_sha ON runs (sha);
CREATE INDEX runs_by_delivery ON runs (delivery_id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

CREATE INDEX lookups_by_delivery ON lookups (delivery_id);

CREATE INDEX mcp_packages_public ON mcp_packages (lower(name)) WHERE NOT private;

CREATE INDEX repositories_by_name ON repositories (lower(owner || '/' || name));
