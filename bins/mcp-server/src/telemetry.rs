//! What the server says about itself while it runs: to standard error, for people or for a
//! collector. Secrets have types without `Display`, so none gets in here.

use std::io::IsTerminal as _;
use std::panic;

use mcp_config::{LogConfig, LogFormat, LogLevel};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

/// The running log: its level can be changed without a restart.
pub(crate) struct Telemetry {
    filter: reload::Handle<EnvFilter, Registry>,
}

impl Telemetry {
    /// Starts logging. Called once, before anything else can have something to say.
    pub(crate) fn start(config: &LogConfig) -> Self {
        let (filter, handle) = reload::Layer::new(filter(config.level));
        let json = match config.format {
            LogFormat::Json => true,
            LogFormat::Text => false,
            LogFormat::Auto => !std::io::stderr().is_terminal(),
        };
        let registry = tracing_subscriber::registry().with(filter);
        // A second start in one process (a test of this binary) keeps the first.
        let started = if json {
            registry.with(fmt::layer().json().with_writer(std::io::stderr)).try_init()
        } else {
            let colour = std::io::stderr().is_terminal();
            let layer = fmt::layer().with_ansi(colour).with_target(false);
            registry.with(layer.with_writer(std::io::stderr)).try_init()
        };
        drop(started);
        install_panic_hook();
        Self { filter: handle }
    }

    /// Changes what is logged from now on.
    pub(crate) fn set_level(&self, level: LogLevel) {
        // Fails only when logging is gone, and then there is nobody to tell.
        let _ = self.filter.reload(filter(level));
    }
}

fn filter(level: LogLevel) -> EnvFilter {
    EnvFilter::new(level.as_str())
}

/// Where a panic happened, not what it said: a message may quote what a client sent.
fn install_panic_hook() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::error!(place, "A task panicked; this is a bug");
    }));
}
