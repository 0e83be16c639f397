-- Hashes of the passwords that an account had before, where the policy remembers.
CREATE TABLE past (
    number INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order in which they went
    name TEXT NOT NULL,                       -- whose they are, as in `account`
    made INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;

CREATE INDEX past_of_account ON past (name, made);
