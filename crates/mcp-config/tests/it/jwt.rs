use crate::Setup;

/// The value that one source prints. Whoever has read it can sign.
const PRINTED: &str = "your_secure_random_secret_here_min_32_chars";

#[test]
fn without_a_secret_there_are_no_signed_tokens() {
    let auth = Setup::new().load().config.http.auth;
    assert_eq!(auth.jwt_secret, None);
    assert_eq!(auth.jwt_issuer, "http://localhost:8080");
    assert_eq!(auth.jwt_audience, "mcp-server");
}

#[test]
fn a_token_is_issued_by_the_public_address_unless_it_is_said_otherwise() {
    let mut setup = Setup::environment(&[("APP_URL", "https://mcp.example.com")]);
    assert_eq!(setup.load().config.http.auth.jwt_issuer, "https://mcp.example.com");
    setup.set(&[("MCP_HTTP_AUTH_JWT_ISSUER", "us"), ("MCP_HTTP_AUTH_JWT_AUDIENCE", "them")]);
    let auth = setup.load().config.http.auth;
    assert_eq!((auth.jwt_issuer.as_str(), auth.jwt_audience.as_str()), ("us", "them"));
}

#[test]
fn the_secret_is_taken_from_each_of_its_places() {
    let secret = "0123456789abcdef0123456789abcdef";
    let of = |setup: &Setup| {
        let config = setup.load().config;
        config.http.auth.jwt_secret.unwrap().expose().to_owned()
    };
    assert_eq!(of(&Setup::environment(&[("JWT_SECRET", secret)])), secret);
    assert_eq!(
        of(&Setup::yaml(&format!("http:\n  auth:\n    jwt_secret: \"{secret}\"\n"))),
        secret
    );
    for name in ["JWT_SECRET_FILE", "MCP_HTTP_AUTH_JWT_SECRET_FILE"] {
        let mut setup = Setup::new();
        let file = setup.write("secret", &format!("{secret}\n"));
        setup.set(&[(name, file.to_str().unwrap())]);
        assert_eq!(of(&setup), secret, "{name}");
    }
    let setup = Setup::yaml("http:\n  auth:\n    jwt_secret_file: secret\n");
    setup.write("secret", secret);
    assert_eq!(of(&setup), secret);
}

#[test]
fn a_secret_that_can_be_guessed_stops_the_start_and_is_not_repeated() {
    for guessed in [PRINTED, "your_secure_random_secret_here", &"x".repeat(31), "short"] {
        let message = Setup::environment(&[("JWT_SECRET", guessed)]).message();
        let begin = "environment JWT_SECRET: http.auth.jwt_secret: expected 32 bytes or more";
        assert!(message.starts_with(begin), "{message}");
        assert!(!message.contains(guessed), "{message}");

        let file = format!("http:\n  auth:\n    jwt_secret: {guessed}\n");
        let message = Setup::yaml(&file).message();
        let begin = "mcp-server.yaml:3: http.auth.jwt_secret: expected 32 bytes or more";
        assert!(message.starts_with(begin), "{message}");
        assert!(!message.contains(guessed), "{message}");

        let mut setup = Setup::new();
        let file = setup.write("secret", guessed);
        setup.set(&[("JWT_SECRET_FILE", file.to_str().unwrap())]);
        let message = setup.message();
        assert!(message.contains("http.auth.jwt_secret: cannot use secret: expected"), "{message}");
        assert!(!message.contains(guessed), "{message}");
    }
}
