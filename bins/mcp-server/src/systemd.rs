//! Telling systemd what goes on (`Type=notify`). Without systemd these say nothing.

use sd_notify::NotifyState;

fn tell(states: &[NotifyState<'_>]) {
    // Fails where nobody listens any more; the server runs on all the same.
    let _ = sd_notify::notify(states);
}

/// The server answers requests.
pub(crate) fn ready(address: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("Listening on {address}"))]);
}

/// The configuration is being read again. Answer with [`ready`].
pub(crate) fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => tell(&[NotifyState::Reloading, now]),
        Err(_) => tell(&[NotifyState::Reloading]),
    }
}

/// No new requests are taken.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping]);
}
