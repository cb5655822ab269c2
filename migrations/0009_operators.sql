-- Who runs this Sigil, before the pages have a sign-in: one-time keys, and the sessions they open.
-- The hashes are those of long random texts, so they need no salt.
SET LOCAL lock_timeout = '5s';

CREATE TABLE operator_keys (
    hash        bytea PRIMARY KEY,
    expires_at  timestamptz NOT NULL
);

CREATE TABLE operator_sessions (
    hash        bytea PRIMARY KEY,   -- of what the browser's signed cookie holds
    began_at    timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL
);
