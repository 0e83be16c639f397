-- What the server keeps of an account. It is one by its name and its time of making together.
CREATE TABLE account (
    name TEXT NOT NULL,            -- the key of its name
    made INTEGER NOT NULL,         -- ms since 1970
    failures INTEGER NOT NULL,
    last_failure INTEGER,          -- this and every time below: ns since 1970
    locked INTEGER NOT NULL CHECK (locked IN (0, 1)),
    locked_until INTEGER,          -- NULL: until an admin unlocks
    last_login INTEGER,
    PRIMARY KEY (name, made)
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    number INTEGER PRIMARY KEY,    -- in the order of opening
    id TEXT NOT NULL UNIQUE,
    hash TEXT NOT NULL UNIQUE,     -- SHA-256 of its token, in hex
    name TEXT NOT NULL,            -- whose it is, as in `account`
    made INTEGER NOT NULL,
    shown TEXT NOT NULL,           -- the name in its own spelling
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    last_used INTEGER NOT NULL,
    address TEXT,
    agent TEXT
) STRICT;

CREATE INDEX session_of_account ON session (name, made);
