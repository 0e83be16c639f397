//! The priority of a thread.

/// Lets everything else of the machine go first. On Linux priorities belong to threads; elsewhere
/// they belong to the process, whose other threads must not suffer: nothing is done there.
#[cfg(target_os = "linux")]
pub(crate) fn lower() {
    // Far enough below the others that a request with a token does not notice.
    const STEPS: i32 = 10;
    if let Err(error) = rustix::process::nice(STEPS) {
        // Hashing works all the same, at the expense of others.
        tracing::warn!(%error, "Could not lower the priority of a hashing thread");
    }
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lower() {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use rustix::process::getpriority_process;

    #[test]
    fn one_thread_steps_back_and_the_others_do_not() {
        let before = getpriority_process(None).unwrap();
        let lowered = || {
            super::lower();
            getpriority_process(None).unwrap()
        };
        let after = std::thread::spawn(lowered).join().unwrap();
        assert_eq!(after, (before + 10).min(19));
        assert_eq!(getpriority_process(None).unwrap(), before);
    }
}
