-- Letters to be sent. What stands in one is found out when it is.
CREATE TABLE letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    whom TEXT NOT NULL,            -- an address, or the name of an account
    asked_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,       -- or the end of the time of whoever took it
    attempts INTEGER NOT NULL
) STRICT;

CREATE INDEX letter_due ON letter (due_at, number);

-- Links for a new password.
CREATE TABLE reset (
    hash TEXT NOT NULL PRIMARY KEY, -- SHA-256 of its secret, in hex; never the secret
    name TEXT NOT NULL,             -- whose it is, as in `account`
    made INTEGER NOT NULL,
    shown TEXT NOT NULL,            -- the name in its own spelling
    seal TEXT NOT NULL,             -- the password and the address that it was minted for, hashed
    expires_at INTEGER NOT NULL,
    spent INTEGER NOT NULL CHECK (spent IN (0, 1)),
    pending TEXT                    -- the hash that it sets, until the users file has it
) STRICT, WITHOUT ROWID;

CREATE INDEX reset_of_account ON reset (name, made);
CREATE INDEX reset_pending ON reset (hash) WHERE pending IS NOT NULL;
