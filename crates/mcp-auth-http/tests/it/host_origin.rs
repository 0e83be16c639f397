//! Whom a request is for, and which page sent it.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, VARY,
};
use http::{Method, Request};
use mcp_auth_http::{
    AllowedHost, AllowedOrigin, HostOriginLayer, HostOriginSettings, PatternError,
};

use crate::support::{Answer, reached, through};

/// This machine, and `https://mcp.example.com`, whose console is at `https://app.example.com`.
fn layer() -> HostOriginLayer {
    let mut settings = HostOriginSettings::loopback();
    settings.allowed_hosts.push(AllowedHost::parse("mcp.example.com:443").unwrap());
    settings.allowed_origins.push(AllowedOrigin::parse("https://app.example.com").unwrap());
    HostOriginLayer::new(settings)
}

async fn send(method: Method, target: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = through(&layer(), request.body(()).unwrap()).await;
    assert_eq!(reached(&answer), answer.status() == 200, "refused exactly where it is answered");
    answer
}

async fn host(value: &str) -> u16 {
    send(Method::POST, "/", &[("host", value)]).await.status().as_u16()
}

async fn origin(value: &str) -> u16 {
    let headers = [("host", "localhost"), ("origin", value)];
    send(Method::POST, "/", &headers).await.status().as_u16()
}

#[tokio::test]
async fn this_machine_is_called_by_its_names_on_any_port_in_any_case() {
    for name in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8080"] {
        assert_eq!(host(name).await, 200, "{name}");
    }
}

#[tokio::test]
async fn a_host_with_a_port_is_that_port_or_the_schemes_own() {
    for name in ["mcp.example.com", "MCP.example.com:443"] {
        assert_eq!(host(name).await, 200, "{name}");
    }
    assert_eq!(host("mcp.example.com:8443").await, 403);
}

#[tokio::test]
async fn a_rebound_name_is_refused() {
    let hosts = [
        "evil.example",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.nip.io",
        "127.1",
        "0.0.0.0",
        "[::]",
        "localhost.",
    ];
    for name in hosts {
        assert_eq!(host(name).await, 403, "{name}");
    }
}

#[tokio::test]
async fn a_host_that_is_no_host_is_refused() {
    let hosts = [
        "",
        "user@localhost",
        "localhost:80@evil.example",
        "localhost/evil",
        "localhost:",
        "localhost:+80",
        "localhost:65536",
        "localhost:80:80",
        "localhost, evil.example",
        "local host",
        "::1",
        "[::1",
        "[::1%25lo]",
        "[::1]evil",
        "%6c%6fcalhost",
    ];
    for name in hosts {
        assert_eq!(host(name).await, 400, "{name}");
    }
}

#[tokio::test]
async fn a_request_without_a_host_or_with_two_is_refused() {
    assert_eq!(send(Method::POST, "/", &[]).await.status(), 400);
    let twice = [("host", "localhost"), ("host", "localhost")];
    assert_eq!(send(Method::POST, "/", &twice).await.status(), 400);
}

#[tokio::test]
async fn the_authority_of_the_target_counts_as_the_host() {
    let cases = [
        ("http://localhost:8080/", None, 200),
        ("http://localhost:8080/", Some("localhost:8080"), 200),
        ("http://evil.example/", None, 403),
        ("http://evil.example/", Some("localhost"), 400),
        ("http://localhost/", Some("evil.example"), 400),
        ("http://user@localhost/", None, 400),
    ];
    for (target, host, status) in cases {
        let headers: Vec<_> = host.map(|host| ("host", host)).into_iter().collect();
        let answer = send(Method::POST, target, &headers).await;
        assert_eq!(answer.status(), status, "{target} {host:?}");
    }
}

#[tokio::test]
async fn a_program_sends_no_origin_and_is_not_asked() {
    assert_eq!(host("localhost").await, 200);
}

#[tokio::test]
async fn a_page_of_an_allowed_origin_may_call() {
    let origins = [
        "http://localhost:5173",
        "https://127.0.0.1",
        "http://[::1]:3000",
        "https://app.example.com",
        "https://app.example.com:443",
        "HTTPS://APP.example.com",
    ];
    for page in origins {
        assert_eq!(origin(page).await, 200, "{page}");
    }
}

#[tokio::test]
async fn a_page_of_another_origin_may_not() {
    let origins = [
        "null",
        "*",
        "",
        "https://evil.example",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.example",
        "https://evil-app.example.com",
        "https://app.example.com/",
        "https://app.example.com?",
        "https://app.example.com@evil.example",
        "https://user@app.example.com",
        "app.example.com",
        "//app.example.com",
        "file://localhost",
        "https://app.example.com, https://evil.example",
        "https://app.example.com https://evil.example",
        "http://localhost:5173\u{e4}",
    ];
    for page in origins {
        assert_eq!(origin(page).await, 403, "{page}");
    }
}

#[tokio::test]
async fn of_two_origins_neither_may() {
    let page = "http://localhost:5173";
    let headers = [("host", "localhost"), ("origin", page), ("origin", page)];
    assert_eq!(send(Method::POST, "/", &headers).await.status(), 403);
}

#[tokio::test]
async fn the_preflight_of_an_allowed_page_is_answered_here() {
    let headers = [
        ("host", "localhost:8080"),
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
    ];
    let answer = send(Method::OPTIONS, "/mcp", &headers).await;
    assert_eq!(answer.status(), 204);
    let told = answer.headers();
    assert_eq!(told[ACCESS_CONTROL_ALLOW_ORIGIN], "https://app.example.com");
    assert_eq!(told[VARY], "Origin");
    assert!(told[ACCESS_CONTROL_ALLOW_METHODS].to_str().unwrap().contains("POST"));
    let allowed = told[ACCESS_CONTROL_ALLOW_HEADERS].to_str().unwrap();
    assert!(allowed.contains("authorization") && allowed.contains("mcp-session-id"), "{allowed}");
    assert!(!told.contains_key(ACCESS_CONTROL_ALLOW_CREDENTIALS));
}

#[tokio::test]
async fn the_preflight_of_another_page_learns_nothing() {
    let headers = [("host", "localhost"), ("origin", "https://evil.example")];
    let answer = send(Method::OPTIONS, "/mcp", &headers).await;
    assert_eq!(answer.status(), 403);
    let told = answer.headers().keys().map(http::HeaderName::as_str);
    assert_eq!(told.filter(|name| name.starts_with("access-control")).count(), 0);
}

#[tokio::test]
async fn an_allowed_page_may_read_its_answer_and_nobody_else_is_mentioned() {
    let headers = [("host", "localhost"), ("origin", "http://localhost:5173")];
    let answer = send(Method::POST, "/", &headers).await;
    assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:5173");
    let without = send(Method::POST, "/", &[("host", "localhost")]).await;
    assert!(!without.headers().contains_key(ACCESS_CONTROL_ALLOW_ORIGIN));
}

#[test]
fn a_setting_that_would_allow_too_much_is_refused() {
    for text in ["null", "*", "*://*", "https://*", "https://*.example.com", "https://a.example/"] {
        assert_eq!(AllowedOrigin::parse(text), Err(PatternError::Origin), "{text}");
    }
    for text in ["", "*", "*.example.com", "https://a.example", "a.example/", "::1", "a:*"] {
        assert_eq!(AllowedHost::parse(text), Err(PatternError::Host), "{text}");
    }
}
