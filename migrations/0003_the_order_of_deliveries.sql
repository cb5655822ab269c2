-- The drain takes what waits in the order it came, and per repository one after the other.
-- Both indexes hold only what waits, so they stay small however long the ledger grows.
SET LOCAL lock_timeout = '5s';

CREATE INDEX deliveries_in_order ON deliveries (id)
    WHERE state IN ('received', 'queued', 'failed');
CREATE INDEX deliveries_in_order_by_repository ON deliveries (repository, id)
    WHERE state IN ('received', 'queued', 'failed');
