//! HTTPS, and a certificate that is replaced while the server runs.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

use support::{Installation, ServerProcess};

/// Writes a certificate for `localhost` with this serial number, and its key.
fn write_certificate(installation: &Installation, serial: u64) {
    let mut parameters = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
    parameters.serial_number = Some(serial.into());
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    fs::write(installation.path().join("key.pem"), key.serialize_pem()).unwrap();
    fs::write(installation.path().join("cert.pem"), certificate.pem()).unwrap();
}

/// The serial number of the certificate that is served, in hexadecimal.
fn served_serial(to: SocketAddr) -> String {
    let script = format!(
        "openssl s_client -connect {to} -servername localhost </dev/null 2>/dev/null \
         | openssl x509 -noout -serial"
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn start(installation: &Installation) -> ServerProcess {
    let (config, path) = (installation.config(), installation.path());
    let (certificate, key) = (path.join("cert.pem"), path.join("key.pem"));
    let arguments = [
        "--config",
        &config.to_string_lossy(),
        // A certificate implies TLS: nobody who names one wants to serve in the clear.
        "-cert",
        &certificate.to_string_lossy(),
        "-key",
        &key.to_string_lossy(),
    ];
    ServerProcess::start(&arguments, &[])
}

#[test]
fn https_is_served_and_a_new_certificate_needs_no_restart() {
    let installation = Installation::new("");
    write_certificate(&installation, 0x11);
    let server = start(&installation);
    let to = server.address();
    assert!(server.log().contains("https://"));
    assert_eq!(served_serial(to), "serial=11");
    let health = Command::new("curl")
        .args(["-s", "--cacert"])
        .arg(installation.path().join("cert.pem"))
        .args(["--connect-to", &format!("localhost:443:{to}"), "https://localhost/health"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&health.stdout), r#"{"status":"ok"}"#);

    write_certificate(&installation, 0x22);
    let deadline = Instant::now() + Duration::from_secs(10);
    while served_serial(to) != "serial=22" {
        assert!(Instant::now() < deadline, "{}", server.log());
    }
    fs::write(installation.path().join("cert.pem"), "no certificate").unwrap();
    server.wait_for_line("the old one stays");
    assert_eq!(served_serial(to), "serial=22");
}

#[test]
fn a_key_of_another_certificate_stops_the_start() {
    let installation = Installation::new("");
    write_certificate(&installation, 0x11);
    let first = fs::read(installation.path().join("key.pem")).unwrap();
    write_certificate(&installation, 0x22);
    fs::write(installation.path().join("key.pem"), first).unwrap();
    let mut server = start(&installation);
    assert_eq!(server.wait().code(), Some(1));
    server.wait_for_line("key.pem");
}
