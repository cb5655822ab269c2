-- Runs that were cancelled because the App lost their repository, or because it was archived: when
-- it is back they are due again, other than those that a person cancelled.
SET LOCAL lock_timeout = '5s';

ALTER TABLE runs ADD COLUMN absent boolean NOT NULL DEFAULT false;
