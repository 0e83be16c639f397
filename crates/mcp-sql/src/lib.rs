//! What a statement is: the lexical grammar of PostgreSQL, read or write, what is never allowed
