//! A throwaway PostgreSQL
