//! Where a request comes from, whatever it says.

use std::net::IpAddr;

use http::{Request, StatusCode};
use mcp_auth_http::{AddressRange, ClientAddressLayer, PeerAddress, TrustedProxies};
use mcp_identity::{Caller, RequestId};

use crate::support::{reached, through};

const PROXY: &str = "10.0.0.1";
const CLIENT: &str = "203.0.113.7";
const SPOOFED: &str = "198.51.100.66";

/// Who `peer` is taken for, when everybody in `10.0.0.0/8` and `fd00::/8` is a proxy of ours.
async fn taken_for(peer: &str, headers: &[(&str, &str)]) -> String {
    caller(peer, headers).await.address.to_string()
}

async fn caller(peer: &str, headers: &[(&str, &str)]) -> Caller {
    let ranges = ["10.0.0.0/8", "fd00::/8"].map(|range| AddressRange::parse(range).unwrap());
    let layer = ClientAddressLayer::new(TrustedProxies::new(ranges));
    let mut request = Request::get("/")
        .extension(PeerAddress(peer.parse::<IpAddr>().unwrap()))
        .extension(RequestId::parse("request-1").unwrap());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = through(&layer, request.body(()).unwrap()).await;
    answer.extensions().get::<Caller>().unwrap().clone()
}

#[tokio::test]
async fn a_client_that_connects_itself_is_its_peer() {
    assert_eq!(taken_for(CLIENT, &[]).await, CLIENT);
}

#[tokio::test]
async fn a_spoofed_header_of_an_untrusted_peer_is_not_read() {
    for header in [("x-forwarded-for", SPOOFED), ("forwarded", "for=198.51.100.66")] {
        assert_eq!(taken_for(CLIENT, &[header]).await, CLIENT);
    }
    let as_proxy = [("x-forwarded-for", "198.51.100.66, 10.0.0.1")];
    assert_eq!(taken_for(CLIENT, &as_proxy).await, CLIENT);
}

#[tokio::test]
async fn a_proxy_of_ours_is_believed_about_its_own_client() {
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", CLIENT)]).await, CLIENT);
    assert_eq!(taken_for("fd00::1", &[("forwarded", "for=203.0.113.7")]).await, CLIENT);
    assert_eq!(taken_for("::ffff:10.0.0.1", &[("x-forwarded-for", CLIENT)]).await, CLIENT);
}

#[tokio::test]
async fn what_the_client_sent_before_the_proxy_appended_is_hearsay() {
    let one_line = format!("{SPOOFED}, {CLIENT}, 10.9.9.9");
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", &one_line)]).await, CLIENT);
    let two_lines = [("x-forwarded-for", SPOOFED), ("x-forwarded-for", CLIENT)];
    assert_eq!(taken_for(PROXY, &two_lines).await, CLIENT);
    let rubbish = format!("\"; drop, , {CLIENT}");
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", &rubbish)]).await, CLIENT);
    let open_quote = format!("for=\"{SPOOFED}, for={CLIENT}");
    assert_eq!(taken_for(PROXY, &[("forwarded", &open_quote)]).await, CLIENT);
}

#[tokio::test]
async fn a_header_that_the_proxy_did_not_write_does_not_win_over_the_one_it_wrote() {
    let spoofed_standard = [("x-forwarded-for", CLIENT), ("forwarded", "for=198.51.100.66")];
    assert_eq!(taken_for(PROXY, &spoofed_standard).await, PROXY);
    let spoofed_list = [("x-forwarded-for", SPOOFED), ("forwarded", "for=203.0.113.7")];
    assert_eq!(taken_for(PROXY, &spoofed_list).await, PROXY);
    let agreeing = [("x-forwarded-for", CLIENT), ("forwarded", "for=203.0.113.7")];
    assert_eq!(taken_for(PROXY, &agreeing).await, CLIENT);
}

#[tokio::test]
async fn an_unreadable_hop_is_not_looked_behind() {
    let hidden = format!("{SPOOFED}, unknown, 10.0.0.9");
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", &hidden)]).await, "10.0.0.9");
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", "unknown")]).await, PROXY);
}

#[tokio::test]
async fn mapped_ipv4_is_ipv4_wherever_it_stands() {
    assert_eq!(taken_for("::ffff:203.0.113.7", &[]).await, CLIENT);
    assert_eq!(taken_for(PROXY, &[("x-forwarded-for", "::ffff:203.0.113.7")]).await, CLIENT);
}

#[tokio::test]
async fn a_caller_has_his_agent_cut_and_the_id_of_his_request() {
    let long = "x".repeat(2_000);
    let caller = caller(CLIENT, &[("user-agent", &long)]).await;
    assert_eq!(caller.agent.unwrap().len(), 512);
    assert_eq!(caller.request_id.as_str(), "request-1");
}

#[tokio::test]
async fn nobody_is_served_without_an_address() {
    let layer = ClientAddressLayer::new(TrustedProxies::none());
    let request = Request::get("/").extension(RequestId::parse("request-1").unwrap());
    let answer = through(&layer, request.body(()).unwrap()).await;
    assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
    assert!(!reached(&answer));
}
