//! Reading the configuration again: on SIGHUP. Credentials are not its business; their stores
//! watch their own files.

use mcp_config::{Loaded, Sources, changes, load};

use crate::systemd;
use crate::telemetry::Telemetry;

/// What a reload needs: where everything came from, and what can take a new value.
pub(crate) struct Reload {
    pub(crate) sources: Sources,
    pub(crate) loaded: Loaded,
    pub(crate) telemetry: Telemetry,
    /// For systemd's status line.
    pub(crate) address: String,
}

impl Reload {
    /// Reads all sources again. Applies what can be applied, names what needs a restart; a fault
    /// changes nothing.
    pub(crate) fn reload(&mut self) {
        systemd::reloading();
        match load(&self.sources) {
            Ok(new) => self.apply(new),
            Err(fault) => {
                tracing::error!("Configuration not reloaded, the old one stays in force: {fault}");
            }
        }
        systemd::ready(&self.address);
    }

    fn apply(&mut self, new: Loaded) {
        let changed = changes(&self.loaded, &new);
        self.telemetry.set_level(new.config.log.level);
        if changed.is_empty() {
            tracing::info!("Configuration read again: nothing changed");
        }
        // What waits for a restart is named again at each reload until it is in force.
        let in_force = changed.iter().all(|change| change.reloadable);
        for change in changed {
            if change.reloadable {
                tracing::info!("Configuration reloaded: {} is in force", change.key);
            } else {
                tracing::warn!("Configuration: {} changed and needs a restart", change.key);
            }
        }
        if in_force {
            self.loaded = new;
        }
    }
}
