//! Names that no statement of a caller may hold, whatever role PostgreSQL gives it: they reach
//! files, programs, other sessions, the network, outlive the transaction, or run SQL hidden in a
//! text.
//!
//! Refused wherever they stand as an identifier, so that neither quoting nor a schema in front
//! helps. A column of the same name is refused with them: rename it in a view. Every function that
//! PostgreSQL and its own extensions have is either here or among those that somebody looked at
//! and let pass (`tests/judged.txt`); a test holds both against `pg_proc`.

/// Names that are refused for one reason.
struct Group {
    /// Families that share a beginning.
    prefixes: &'static [&'static str],
    names: &'static [&'static str],
}

const GROUPS: [Group; 10] = [
    FILES,
    SESSIONS,
    SERVER,
    REPLICATION,
    LARGE_OBJECTS,
    SQL_IN_TEXT,
    OUTLIVES,
    STATISTICS,
    RAW,
    SECRETS,
];

/// Files and programs of the server.
const FILES: Group = Group {
    prefixes: &["pg_read_", "pg_ls_", "pg_file_"],
    names: &[
        "pg_stat_file",
        "pg_current_logfile",
        "pg_logdir_ls",
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_file_settings",
        "pg_show_all_file_settings",
        "pg_config",
        "xslt_process",
    ],
};

/// What others do: their statements, addresses, locks; and signals to them.
const SESSIONS: Group = Group {
    prefixes: &["pg_stat_get_activity", "pg_stat_get_backend", "pg_log_backend_"],
    names: &[
        "pg_stat_activity",
        "pg_stat_ssl",
        "pg_stat_gssapi",
        "pg_stat_replication",
        "pg_terminate_backend",
        "pg_cancel_backend",
        "pg_blocking_pids",
        "pg_safe_snapshot_blocking_pids",
        "pg_isolation_test_session_is_blocked",
        "pg_get_process_memory_contexts",
        "pgrowlocks",
    ],
};

/// The server itself.
const SERVER: Group = Group {
    prefixes: &["pg_backup_", "pg_wal_replay_", "binary_upgrade_"],
    names: &[
        "pg_reload_conf",
        "pg_rotate_logfile",
        "pg_rotate_logfile_old",
        "pg_promote",
        "pg_switch_wal",
        "pg_start_backup",
        "pg_stop_backup",
        "pg_create_restore_point",
        "pg_log_standby_snapshot",
        "pg_import_system_collations",
        "pg_extension_config_dump",
        "pg_stop_making_pinned_objects",
        "pg_nextoid",
    ],
};

const REPLICATION: Group = Group {
    prefixes: &[
        "pg_logical_",
        "pg_replication_origin_",
        "pg_replication_slot_",
        "pg_sync_replication_",
    ],
    names: &[
        "pg_create_physical_replication_slot",
        "pg_create_logical_replication_slot",
        "pg_copy_physical_replication_slot",
        "pg_copy_logical_replication_slot",
        "pg_drop_replication_slot",
        "pg_show_replication_origin_status",
    ],
};

const LARGE_OBJECTS: Group = Group {
    prefixes: &[],
    names: &[
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
    ],
};

/// SQL in a text, or the connection to run it on. What such a text says is judged by nobody.
const SQL_IN_TEXT: Group = Group {
    prefixes: &[
        "dblink",
        "crosstab",
        "query_to_xml",
        "table_to_xml",
        "cursor_to_xml",
        "schema_to_xml",
        "database_to_xml",
        "postgres_fdw_",
    ],
    names: &["ts_stat", "ts_rewrite", "connectby", "xpath_table"],
};

/// What a ROLLBACK does not undo, what waits, and what changes the session.
const OUTLIVES: Group = Group {
    prefixes: &["pg_sleep", "pg_advisory_", "pg_try_advisory_"],
    names: &[
        "set_config",
        "set_limit",
        "isn_weak",
        "pg_notify",
        "pg_notification_queue_usage",
        "pg_export_snapshot",
        // Each takes a transaction number, of which there are not endlessly many.
        "txid_current",
        "pg_current_xact_id",
    ],
};

/// What the planner and the operator know about the past.
const STATISTICS: Group = Group {
    prefixes: &["pg_stat_reset", "pg_stat_statements", "pg_restore_", "pg_clear_"],
    names: &["pg_stat_force_next_flush", "pg_stat_have_stats"],
};

/// Pages, buffers, indexes and the log, past what a role may read or by force.
const RAW: Group = Group {
    prefixes: &[
        "brin_summarize_",
        "brin_desummarize_",
        "bt_index_",
        "bt_page_",
        "gin_index_",
        "heap_force_",
        "autoprewarm_",
        "pg_buffercache",
        "pg_get_wal_record",
        "pg_get_wal_stats",
        "pg_get_wal_block",
    ],
    names: &[
        "gin_clean_pending_list",
        "verify_heapam",
        "get_raw_page",
        "bt_metap",
        "hash_bitmap_info",
        "fsm_page_contents",
        "pg_prewarm",
        "pg_truncate_visibility_map",
    ],
};

/// Passwords that are kept for reaching other servers.
const SECRETS: Group = Group {
    prefixes: &[],
    names: &["pg_user_mappings", "_pg_user_mappings", "user_mapping_options"],
};

/// Is this identifier (folded, decoded) never allowed in a statement of a caller?
#[must_use]
pub fn is_denied(name: &str) -> bool {
    let starts = |prefix: &&str| name.starts_with(prefix);
    GROUPS.iter().any(|group| group.prefixes.iter().any(starts) || group.names.contains(&name))
}
