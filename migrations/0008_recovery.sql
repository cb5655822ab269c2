-- Deliveries that GitHub could not deliver: how far its list was read, and which ones to ask for.
SET LOCAL lock_timeout = '5s';

CREATE TABLE recovery (
    only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_swept_at  timestamptz,              -- when the last sweep that came to its end began
    began_at       timestamptz,              -- of the sweep under way
    since          timestamptz,              -- it looks back so far
    cursor         text,                     -- the next page of GitHub's list; null: the first
    listed         boolean NOT NULL DEFAULT false,  -- the list was read to its end
    claim          uuid,                     -- who sweeps
    due_at         timestamptz NOT NULL DEFAULT now(),  -- not to be taken before
    looked         integer NOT NULL DEFAULT 0,  -- attempts looked at, in this sweep or the last
    missed         integer NOT NULL DEFAULT 0,  -- deliveries found that never came
    asked          integer NOT NULL DEFAULT 0,  -- how often GitHub was asked to deliver again
    problem        text                      -- what stopped it last
);
INSERT INTO recovery DEFAULT VALUES;

CREATE TABLE missed_deliveries (
    guid          uuid PRIMARY KEY,
    github_id     bigint NOT NULL,           -- of the newest attempt: GitHub forgets old ones
    event         text NOT NULL,
    action        text,
    delivered_at  timestamptz NOT NULL,      -- the first attempt
    asked         integer NOT NULL DEFAULT 0,
    asked_at      timestamptz,
    given_up      text                       -- why it will not be asked for again
);
CREATE INDEX missed_deliveries_in_order ON missed_deliveries (delivered_at, github_id);
