//! The names of PostgreSQL's own types.

use std::collections::HashMap;
use std::sync::LazyLock;

use tokio_postgres::types::Type;

/// Types made by `CREATE` have higher ids (`FirstNormalObjectId` in PostgreSQL's transam.h).
const FIRST_OF_USERS: u32 = 16_384;

static BUILT_IN: LazyLock<HashMap<u32, Type>> = LazyLock::new(|| {
    (1..FIRST_OF_USERS)
        .filter_map(|oid| Type::from_oid(oid).map(|built_in| (oid, built_in)))
        .collect()
});

/// The name of a built-in type as `pg_type` has it: `int4`, `timestamptz`, `_text` for an array.
/// `None` for enums, domains, composites and the types of extensions.
#[must_use]
pub fn type_name(oid: u32) -> Option<&'static str> {
    BUILT_IN.get(&oid).map(Type::name)
}

#[cfg(test)]
mod tests {
    use super::type_name;

    #[test]
    fn built_in_types_have_names_and_made_ones_have_none() {
        assert_eq!(type_name(23), Some("int4"));
        assert_eq!(type_name(1009), Some("_text"));
        assert_eq!(type_name(16_400), None);
    }
}
