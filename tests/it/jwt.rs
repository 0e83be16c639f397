//! JSON Web Tokens at the door: signed by whoever has the secret, or forged.
//!
//! The sessions are opened by `authenticate_user`. What names one in a token is the digest that
//! its record holds; whoever knows that and the secret can sign for it, as these tests do.

use std::fmt::Write as _;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{URL_SAFE, URL_SAFE_NO_PAD};
use mcp_identity::{Clock as _, SystemClock, TokenHash};
use ring::hmac;
use serde_json::{Value, json};
use support::{Installation, Request, Response, ServerProcess, clients};

use crate::accounts::{LIST, PASSWORD, QUICK, opens, seen, session};
use crate::start::refused;

pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// A server that takes tokens signed with [`SECRET`], and alice, who has a session there.
pub(crate) struct House {
    installation: Installation,
    server: ServerProcess,
    to: SocketAddr,
    /// As `authenticate_user` gave it.
    opaque: String,
}

impl House {
    pub(crate) fn new() -> Self {
        let installation = Installation::new("");
        let more = format!("    jwt_secret: \"{SECRET}\"\n    bearer_failures: 100000\n");
        installation.write_config_with_users(&more, QUICK);
        for name in ["alice", "bob"] {
            installation.add_user(name, PASSWORD);
        }
        let server = installation.start();
        let to = server.address();
        let opaque = session(to, "alice", PASSWORD);
        Self { installation, server, to, opaque }
    }

    /// Good claims of that session.
    fn claims(&self) -> Value {
        claims_of(&self.opaque)
    }

    /// Good claims, with some of them changed.
    pub(crate) fn with(&self, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims();
        for (name, value) in changes {
            claims[name] = value.clone();
        }
        forge(HEADER, &claims.to_string())
    }

    /// A good token: the one form of it that this server makes itself.
    pub(crate) fn token(&self) -> String {
        self.with(&[])
    }

    fn ask(&self, token: &str) -> Response {
        Request::raw_mcp(LIST).bearer(token).send(self.to)
    }

    pub(crate) fn opens(&self, token: &str) -> bool {
        opens(self.to, token)
    }

    /// Every one of these is answered as a token that never existed, and names itself if not.
    fn assert_refused(&self, forged: impl IntoIterator<Item = (String, String)>) {
        let unknown = seen(&self.ask("never-made"));
        assert_eq!(unknown.0, 401);
        for (what, token) in forged {
            let answer = self.ask(&token);
            assert_eq!(answer.status, 401, "{what}: {token}");
            assert_eq!(seen(&answer), unknown, "{what}: {token}");
        }
        assert!(self.opens(&self.token()), "a good one still opens the door");
    }
}

pub(crate) fn now() -> u64 {
    SystemClock.now().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Good claims of alice's session with that token.
pub(crate) fn claims_of(opaque: &str) -> Value {
    json!({
        "iss": "http://localhost:0",
        "sub": "alice",
        "aud": "mcp-server",
        "exp": now() + 3_600,
        "nbf": now(),
        "iat": now(),
        "jti": TokenHash::of_presented(opaque.as_bytes()).to_hex(),
    })
}

fn encode(part: &str) -> String {
    URL_SAFE_NO_PAD.encode(part)
}

fn signature(algorithm: hmac::Algorithm, secret: &str, message: &str) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, secret.as_bytes()), message.as_bytes()).as_ref().to_vec()
}

/// Any header and any payload under the right signature.
pub(crate) fn forge(header: &str, payload: &str) -> String {
    sign(&format!("{}.{}", encode(header), encode(payload)))
}

pub(crate) fn sign(message: &str) -> String {
    let signature = signature(hmac::HMAC_SHA256, SECRET, message);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn a_token_an_opaque_session_and_a_signed_one_all_open_the_door() {
    let house = House::new();
    for token in [house.installation.token(), &house.opaque, &house.token()] {
        assert!(house.opens(token));
    }
    let call = json!({ "name": "list_databases", "arguments": {} });
    let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call });
    let answer = Request::mcp(&message).bearer(&house.token()).send(house.to).json();
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("shop"), "{answer}");
    let log = house.server.log();
    assert!(!log.contains(SECRET) && !log.contains("eyJ"), "{log}");
}

#[test]
fn what_another_library_signs_is_read_and_reads_as_it_should() {
    let house = House::new();
    let claims = house.claims();
    let mut pyjwt = clients::python("python-fastmcp", "pyjwt.py");
    let said = clients::said(pyjwt.arg(SECRET).arg(claims.to_string()));
    assert_eq!(said["claims"], claims);
    assert!(house.opens(said["token"].as_str().unwrap()));
}

#[test]
fn a_token_may_be_written_in_another_way_as_long_as_it_says_the_same() {
    let house = House::new();
    let claims = house.claims();
    let spaced = serde_json::to_string_pretty(&claims).unwrap();
    let mut escaped = claims.to_string();
    escaped = escaped.replace(r#""sub":"alice""#, r#""s\u0075b":"\u0061lice""#);
    for (header, payload) in [
        (r#"{"typ":"JWT","alg":"HS256"}"#, claims.to_string()),
        (r#"{"alg":"HS256"}"#, claims.to_string()),
        (HEADER, spaced),
        (HEADER, escaped),
    ] {
        assert!(house.opens(&forge(header, &payload)), "{header} {payload}");
    }
}

#[test]
fn a_header_chooses_neither_algorithm_nor_key() {
    let house = House::new();
    let payload = house.claims().to_string();
    let key = URL_SAFE_NO_PAD.encode(SECRET);
    let mut headers: Vec<String> =
        ["none", "None", "NONE", "", "hs256", "HS384", "HS512", "RS256", "ES256", "EdDSA"]
            .iter()
            .map(|alg| json!({ "alg": alg, "typ": "JWT" }).to_string())
            .collect();
    let more = [
        json!({ "kid": "../../dev/null" }),
        json!({ "kid": null }),
        json!({ "jku": "https://attacker.example/keys.json" }),
        json!({ "jwk": { "kty": "oct", "k": key } }),
        json!({ "x5u": "https://attacker.example/cert.pem" }),
        json!({ "x5c": ["AAAA"] }),
        json!({ "crit": ["exp"] }),
        json!({ "b64": false }),
        json!({ "cty": "JWT" }),
        json!({ "enc": "A256GCM" }),
        json!({ "zip": "DEF" }),
        json!({ "typ": "at+jwt" }),
        json!({ "typ": 1 }),
        json!({ "alg": ["HS256"] }),
        json!({ "alg": null }),
    ];
    headers.extend(more.map(|more| {
        let mut header = json!({ "alg": "HS256", "typ": "JWT" });
        header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        header.to_string()
    }));
    let odd = [
        r#"{"alg":"none","alg":"HS256"}"#,
        r#"{"alg":"HS256","alg":"HS256"}"#,
        r#"{"typ":"JWT"}"#,
        "{}",
        "[]",
        r#"["HS256","JWT"]"#,
        r#""HS256""#,
        "null",
        "",
        r#"{"alg":"HS256"} "x""#,
    ];
    headers.extend(odd.map(str::to_owned));
    house.assert_refused(headers.into_iter().map(|header| {
        let token = forge(&header, &payload);
        (header, token)
    }));
}

#[test]
fn another_signature_opens_nothing() {
    let house = House::new();
    let payload = house.claims().to_string();
    let message = |alg: &str| {
        format!("{}.{}", encode(&json!({ "alg": alg, "typ": "JWT" }).to_string()), encode(&payload))
    };
    let with = |alg: &str, signature: &[u8]| {
        format!("{}.{}", message(alg), URL_SAFE_NO_PAD.encode(signature))
    };
    let hs256 = message("HS256");
    let right = signature(hmac::HMAC_SHA256, SECRET, &hs256);
    let of = |secret: &str| signature(hmac::HMAC_SHA256, secret, &hs256);
    let flipped: Vec<u8> = right.iter().map(|byte| byte ^ 1).collect();
    let plain = |alg| message(alg) + ".";
    house.assert_refused(
        [
            ("unsigned", plain("none")),
            ("unsigned, as if signed", plain("HS256")),
            ("the signature of nothing", with("HS256", &[0; 32])),
            ("another secret", with("HS256", &of("another secret of thirty-two bytes"))),
            ("no secret", with("HS256", &of(""))),
            ("the secret, encoded", with("HS256", &of(&URL_SAFE_NO_PAD.encode(SECRET)))),
            ("flipped", with("HS256", &flipped)),
            ("cut", with("HS256", &right[..31])),
            ("one byte", with("HS256", &right[..1])),
            ("longer", with("HS256", &[right.as_slice(), &[0]].concat())),
            ("twice", with("HS256", &right.repeat(2))),
            ("HS384", with("HS384", &signature(hmac::HMAC_SHA384, SECRET, &message("HS384")))),
            ("HS512", with("HS512", &signature(hmac::HMAC_SHA512, SECRET, &message("HS512")))),
            ("HS512 as HS256", with("HS256", &signature(hmac::HMAC_SHA512, SECRET, &hs256))),
        ]
        .map(|(what, token)| (what.to_owned(), token)),
    );
}

#[test]
fn every_claim_is_there_once_and_of_its_type() {
    let house = House::new();
    let claims = house.claims();
    let all = claims.as_object().unwrap();
    let mut forged = Vec::new();
    for (name, value) in all {
        let mut without = all.clone();
        without.remove(name);
        let without = Value::Object(without).to_string();
        forged.push((format!("without {name}"), forge(HEADER, &without)));

        let text = claims.to_string();
        let twice = format!(r#"{{"{name}":{value},{}"#, &text[1..]);
        forged.push((format!("{name} twice"), forge(HEADER, &twice)));

        let number = value.as_u64();
        let written = number.map_or_else(|| value.to_string(), |number| format!("\"{number}\""));
        let mut others = vec![
            json!(null),
            json!(true),
            json!([value]),
            json!({ "value": value }),
            json!(-1),
            json!(1.5),
            json!(""),
        ];
        match number {
            // The time itself, as what a lax reader would take for it.
            #[expect(clippy::cast_precision_loss, reason = "seconds of these years fit exactly")]
            Some(number) => others.extend([json!(number.to_string()), json!(number as f64)]),
            None => others.push(json!(1)),
        }
        for other in others {
            let what = format!("{name}: {other} for {written}");
            forged.push((what, house.with(&[(name, other)])));
        }
    }
    house.assert_refused(forged);
}

#[test]
fn a_claim_that_is_not_so_opens_nothing() {
    let house = House::new();
    let of = |text: &str| json!(TokenHash::of_presented(text.as_bytes()).to_hex());
    let bob = session(house.to, "bob", PASSWORD);
    let ended = session(house.to, "alice", PASSWORD);
    assert_eq!(Request::new("POST", "/auth/logout").bearer(&ended).send(house.to).status, 200);
    let forged = [
        ("iss", json!("http://localhost:1")),
        ("iss", json!("http://localhost:0/")),
        ("aud", json!("mcp-serve")),
        ("aud", json!(["mcp-server"])),
        ("sub", json!("bob")),
        ("sub", json!("nobody")),
        ("sub", json!("alice\u{0}")),
        ("exp", json!(now() - 1)),
        ("exp", json!(0)),
        ("nbf", json!(now() + 3_600)),
        ("iat", json!(now() + 3_600)),
        ("iat", json!(u64::MAX)),
        ("jti", of(&bob)),
        ("jti", of(&ended)),
        ("jti", of(house.installation.token())),
        ("jti", of("never made")),
        ("jti", json!(house.opaque)),
        ("jti", json!("0".repeat(64))),
        ("jti", json!("' OR '1'='1")),
    ];
    house.assert_refused(forged.map(|(name, value)| {
        let token = house.with(&[(name, value.clone())]);
        (format!("{name}: {value}"), token)
    }));
}

#[test]
fn a_payload_that_is_no_object_of_claims_opens_nothing() {
    let house = House::new();
    let claims = house.claims().to_string();
    let members = &claims[1..claims.len() - 1];
    let payloads = [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        format!("[{claims}]"),
        json!(claims).to_string(),
        format!("{claims}{claims}"),
        format!("{claims}x"),
        format!("{{{members},}}"),
        format!("{{{members}"),
        format!("{{{members},\"x\":1,\"x\":1}}"),
        format!("\u{feff}{claims}"),
        claims.replace("alice", "al\u{0}ice"),
    ];
    house.assert_refused(payloads.map(|payload| {
        let token = forge(HEADER, &payload);
        (payload, token)
    }));
    let latin = [encode(HEADER), URL_SAFE_NO_PAD.encode(b"{\"iss\":\"\xff\"}")].join(".");
    house.assert_refused([("not UTF-8".to_owned(), sign(&latin))]);
}

#[test]
fn a_token_has_one_form_in_base64() {
    let house = House::new();
    // A header and a payload of lengths that need padding, and bits left over at their ends.
    let header = encode(r#"{"typ":"JWT","alg":"HS256" }"#);
    let payload = encode(&format!("{} ", house.claims()));
    let good = sign(&format!("{header}.{payload}"));
    assert!(house.opens(&good));
    let tag = good.rsplit('.').next().unwrap().to_owned();
    let raw = URL_SAFE_NO_PAD.decode(&tag).unwrap();
    let loose = |text: &str| {
        // Another last character with the same leading bits: what a lax reader does not see.
        let (rest, last) = text.split_at(text.len() - 1);
        let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        let place = alphabet.find(last).unwrap();
        format!("{rest}{}", &alphabet[place + 1..place + 2])
    };
    let mut forged = vec![
        ("padded signature", format!("{header}.{payload}.{}", URL_SAFE.encode(&raw))),
        ("loose signature", format!("{header}.{payload}.{}", loose(&tag))),
        ("padded header", sign(&format!("{header}==.{payload}"))),
        ("padded payload", sign(&format!("{header}.{payload}="))),
        ("extra part", format!("{good}.{tag}")),
        ("extra part, signed", sign(&format!("{header}.{payload}.{payload}"))),
        ("encrypted shape", format!("{header}.{payload}.{payload}.{payload}.{tag}")),
        ("two parts", sign(&payload)),
        ("one part", sign("")),
        ("no header", sign(&format!(".{payload}"))),
        ("no payload", sign(&format!("{header}."))),
        ("nothing", "..".to_owned()),
        ("led by a dot", format!(".{good}")),
        ("followed by a dot", format!("{good}.")),
    ];
    if !header.len().is_multiple_of(4) {
        forged.push(("loose header", sign(&format!("{}.{payload}", loose(&header)))));
    }
    house.assert_refused(forged.into_iter().map(|(what, token)| (what.to_owned(), token)));
}

#[test]
fn a_token_that_is_too_long_is_not_looked_at() {
    let house = House::new();
    let token = |filler: usize| house.with(&[("filler", json!("x".repeat(filler)))]);
    let fits = token(1_000);
    assert!(fits.len() < 2_048 && house.opens(&fits));
    let mut filler = 1_000;
    while token(filler).len() <= 2_048 {
        filler += 1;
    }
    house.assert_refused([filler, 4_000].map(|filler| (format!("{filler}"), token(filler))));
}

#[test]
fn a_claim_gives_no_rights() {
    let house = House::new();
    let rich = house.with(&[
        ("role", json!("admin")),
        ("roles", json!(["admin"])),
        ("is_admin", json!(true)),
        ("databases", json!(["postgres"])),
    ]);
    let list = |token: &str| house.ask(token).text().to_owned();
    assert_eq!(list(&rich), list(&house.token()));
    let metrics = |token: &str| Request::new("GET", "/metrics").bearer(token).send(house.to).status;
    assert_eq!(metrics(&rich), metrics(&house.token()));
}

#[test]
fn what_ends_the_session_ends_each_token_of_it() {
    let house = House::new();
    let (first, second) = (house.token(), house.with(&[("n", json!(2))]));
    assert!(house.opens(&first) && house.opens(&second));
    let logout = Request::new("POST", "/auth/logout").bearer(&first).send(house.to);
    assert_eq!(logout.status, 200);
    for token in [&first, &second, &house.opaque] {
        assert!(!house.opens(token), "the very next request is refused");
    }
    for ending in
        [["sessions", "revoke", "--user", "alice"].as_slice(), &["users", "disable", "alice"]]
    {
        let opaque = session(house.to, "alice", PASSWORD);
        let token = forge(HEADER, &claims_of(&opaque).to_string());
        assert!(house.opens(&token));
        assert!(house.installation.admin(ending).status.success());
        assert!(crate::accounts::closes(house.to, &token), "{ending:?}");
    }
}

#[test]
fn a_restart_keeps_what_was_signed_and_another_secret_does_not() {
    let House { installation, server, opaque, .. } = House::new();
    drop(server);
    let token = forge(HEADER, &claims_of(&opaque).to_string());
    let server = installation.start();
    assert!(opens(server.address(), &token));
    drop(server);
    for more in ["    jwt_secret: another-secret-of-thirty-two-bytes\n", ""] {
        installation.write_config_with_users(more, QUICK);
        let server = installation.start();
        assert!(opens(server.address(), &opaque));
        assert!(!opens(server.address(), &token), "{more}");
    }
}

#[test]
fn a_server_with_a_secret_that_can_be_guessed_does_not_start_and_says_which_setting() {
    let installation = Installation::new("");
    let config = installation.config();
    let config = config.to_string_lossy();
    for guessed in ["your_secure_random_secret_here_min_32_chars", "hunter2-hunter2"] {
        let mut more = String::new();
        writeln!(more, "    jwt_secret: {guessed}").unwrap();
        installation.write_config_with_users(&more, QUICK);
        for arguments in [["--config", &config].as_slice(), &["--config", &config, "--no-auth"]] {
            let output = refused(arguments);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(said.contains("http.auth.jwt_secret"), "{said}");
            assert!(!said.contains(guessed), "{said}");
        }
        let check = installation.admin(&["check"]);
        assert!(!check.status.success());
    }
}
