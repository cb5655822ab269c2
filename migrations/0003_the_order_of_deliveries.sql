-- The drain takes what waits in the order it came, and per repository one after the other.
-- Both indexes hold only what waits, so they stay small however long the ledger grows.
SET LOCAL lock_timeout = '5s';

DROP INDEX deliveries_waiting;
CREATE INDEX deliveries_in_order ON deliveries (id)
    WHERE state IN ('received', 'queued', 'failed');
CREATE INDEX deliveries_in_order_by_repository ON deliveries (repository, id)
    WHERE state IN ('received', 'queued', 'failed');

-- Compressing a payload would cost the insert half of its time; storing it plain costs disk space
-- until retention takes it.
ALTER TABLE deliveries ALTER COLUMN payload SET STORAGE EXTERNAL;
