-- The GitHub App that /setup created, and what guards the way there.
SET LOCAL lock_timeout = '5s';

CREATE TABLE github_app (
    only_one    boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    app_id      bigint NOT NULL,
    slug        text NOT NULL,
    name        text NOT NULL,
    client_id   text NOT NULL,
    html_url    text NOT NULL,
    owner       text NOT NULL,
    sealed      bytea NOT NULL,      -- private key, webhook secret, client secret: see config/sealing.py
    key_id      text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

-- One-time setup keys. The hash is that of a long random text, so it needs no salt.
CREATE TABLE setup_tokens (
    hash        bytea PRIMARY KEY,
    replaces    boolean NOT NULL DEFAULT false,  -- opens /setup although there is an App
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);

-- A browser on its way to GitHub and back.
CREATE TABLE setup_journeys (
    hash        bytea PRIMARY KEY,   -- of the random part of `state`
    browser     bytea NOT NULL,      -- hash of what its cookie holds
    code        bytea,               -- GitHub's temporary code, sealed, until it is exchanged
    key_id      text,
    expires_at  timestamptz NOT NULL,
    used_at     timestamptz
);
