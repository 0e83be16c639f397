//! The server under systemd: it says when it is ready, reloading and stopping.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use support::{Installation, ServerProcess, binary};

#[test]
fn systemd_is_told_ready_reloading_and_stopping() {
    let installation = Installation::new("");
    let path = installation.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let said = || {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let config = installation.config();
    let mut server = ServerProcess::start(
        &["--config", &config.to_string_lossy()],
        &[("NOTIFY_SOCKET", &path.to_string_lossy())],
    );
    assert!(said().starts_with("READY=1"));
    server.signal("HUP");
    let reloading = said();
    assert!(reloading.contains("RELOADING=1") && reloading.contains("MONOTONIC_USEC="));
    assert!(said().starts_with("READY=1"));
    server.signal("TERM");
    assert!(said().starts_with("STOPPING=1"));
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_unit_is_one_that_systemd_takes() {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        // Without systemd on the machine there is nobody to ask; CI has it.
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let unit = include_str!("../../docs/systemd/mcp-server.service");
    let binary = binary("mcp-server");
    let unit = unit.replace("/usr/bin/mcp-server", &binary.to_string_lossy());
    let path = directory.path().join("mcp-server.service");
    std::fs::write(&path, unit).unwrap();
    let output = Command::new("systemd-analyze").arg("verify").arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains("mcp-server.service:"), "{said}");
}
