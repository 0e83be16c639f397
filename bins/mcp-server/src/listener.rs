//! Where to listen, and where not without authentication.

use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs as _};

use mcp_config::Config;
use mcp_listen::Listener;

use crate::compose::is_local;
use crate::fault::StartFault;

/// Listens where the configuration says.
pub(crate) fn bind(config: &Config, open_to_all: bool) -> Result<Listener, StartFault> {
    let address = address(config, open_to_all)?;
    Listener::bind(address).map_err(|fault| cannot_bind(&config.http.address, &fault))
}

/// The address that the configuration means. Without authentication it must be loopback, unless
/// the operator said a second time that it is meant.
fn address(config: &Config, open_to_all: bool) -> Result<SocketAddr, StartFault> {
    let http = &config.http;
    let unusable = || {
        StartFault::mendable(
            format!("http.address: {:?} is no address to listen on", http.address),
            "write HOST:PORT, or :PORT for every interface".to_owned(),
        )
    };
    let listen = http.listen_address().ok_or_else(unusable)?;
    let address = match &listen.host {
        None => SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), listen.port),
        Some(host) => {
            (host.as_str(), listen.port).to_socket_addrs().ok().and_then(|mut found| found.next())
        }
        .ok_or_else(unusable)?,
    };
    if !http.auth.enabled && !is_local(address.ip()) && !open_to_all {
        return Err(StartFault::mendable(
            format!("without authentication, {address} would let everybody in"),
            "listen on 127.0.0.1, or say --no-auth --i-know-this-is-open".to_owned(),
        ));
    }
    if !is_local(address.ip()) && http.allowed_hosts.is_empty() {
        tracing::warn!(
            "Listening beyond loopback without http.allowed_hosts: only requests for the address \
             itself or the host of http.public_url are answered"
        );
    }
    Ok(address)
}

/// Why a port could not be had.
fn cannot_bind(address: &str, fault: &io::Error) -> StartFault {
    let hint = match fault.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; choose another --addr",
        io::ErrorKind::PermissionDenied => "ports below 1024 need CAP_NET_BIND_SERVICE",
        _ => "choose an address of this machine with --addr",
    };
    StartFault::mendable(format!("cannot listen on {address}: {fault}"), hint.to_owned())
}
