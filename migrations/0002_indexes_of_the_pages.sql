-- The lists of the pages: each filter walks an index backwards from the newest row.
SET LOCAL lock_timeout = '5s';

CREATE INDEX deliveries_by_event ON deliveries (event, id DESC);
CREATE INDEX deliveries_by_repository ON deliveries (lower(repository), id DESC);

CREATE INDEX runs_by_state ON runs (state, id DESC);
CREATE INDEX runs_by_repository ON runs (repository_id, id DESC);
CREATE INDEX runs_by_sha ON runs (sha);
CREATE INDEX runs_by_delivery ON runs (delivery_id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;

CREATE INDEX lookups_by_delivery ON lookups (delivery_id);

CREATE INDEX repositories_by_name ON repositories (lower(owner || '/' || name));
