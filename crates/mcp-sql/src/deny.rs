//! Names that no statement of a caller may hold, whatever role PostgreSQL gives it: they reach
//! files, programs, other sessions, the network, or run SQL hidden in a text.
//!
//! Refused wherever they stand as an identifier, so that neither quoting nor a schema in front
//! helps. A column of the same name is refused with them: rename it in a view.

/// Families that share a beginning.
const PREFIXES: [&str; 26] = [
    "pg_sleep",
    "pg_read_",
    "pg_ls_",
    "pg_file_",
    "pg_advisory_",
    "pg_try_advisory_",
    "pg_logical_",
    "pg_replication_",
    "pg_stat_reset",
    "pg_stat_get_activity",
    "pg_stat_get_backend",
    "pg_stat_statements",
    "pg_backup_",
    "pg_wal_replay_",
    "pg_sync_replication_",
    "pg_log_backend_",
    "dblink",
    "crosstab",
    "query_to_xml",
    "table_to_xml",
    "cursor_to_xml",
    "schema_to_xml",
    "database_to_xml",
    "brin_summarize_",
    "brin_desummarize_",
    "binary_upgrade_",
];

const NAMES: [&str; 52] = [
    // other sessions and the server itself
    "pg_stat_activity",
    "pg_terminate_backend",
    "pg_cancel_backend",
    "pg_reload_conf",
    "pg_rotate_logfile",
    "pg_rotate_logfile_old",
    "pg_promote",
    "pg_switch_wal",
    "pg_start_backup",
    "pg_stop_backup",
    "pg_export_snapshot",
    "pg_import_system_collations",
    "pg_notification_queue_usage",
    "pg_notify",
    "set_config",
    "pg_nextoid",
    "gin_clean_pending_list",
    "pg_create_restore_point",
    "pg_create_physical_replication_slot",
    "pg_create_logical_replication_slot",
    "pg_copy_physical_replication_slot",
    "pg_copy_logical_replication_slot",
    "pg_drop_replication_slot",
    "pg_restore_relation_stats",
    "pg_restore_attribute_stats",
    // files and large objects
    "pg_stat_file",
    "pg_current_logfile",
    "pg_hba_file_rules",
    "pg_ident_file_mappings",
    "pg_show_all_file_settings",
    "lo_import",
    "lo_export",
    "lo_create",
    "lo_creat",
    "lo_open",
    "lo_close",
    "lo_get",
    "lo_put",
    "lo_from_bytea",
    "lo_unlink",
    "lo_truncate",
    "lo_truncate64",
    "lo_lseek",
    "lo_lseek64",
    "lo_tell",
    "lo_tell64",
    "loread",
    "lowrite",
    // SQL in a text
    "ts_stat",
    "ts_rewrite",
    "connectby",
    "xpath_table",
];

/// Is this identifier (folded, decoded) never allowed in a statement of a caller?
#[must_use]
pub fn is_denied(name: &str) -> bool {
    PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name)
}
