//! One connection pool per principal and database
