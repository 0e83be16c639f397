//! Addresses of strangers, read by templates: whatever is read out of an address makes that
//! address again.
//!
//! The input is an address.

#![no_main]

use std::collections::BTreeMap;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mcp_fuzz::{TEMPLATES, check_answer, meta, now, principal, server};
use mcp_identity::Principal;
use mcp_protocol::{Code, Exchange, Output, Server, Status};
use serde::Deserialize;
use serde_json::{Value, json};

static SERVER: LazyLock<Server<Principal>> = LazyLock::new(server);

/// The longest address that is looked at.
const MAX_BYTES: usize = 2_048;

fuzz_target!(|address: &str| {
    let old = read(address, false);
    let new = read(address, true);
    assert_eq!(old.as_ref().ok(), new.as_ref().ok(), "the eras read differently");
    match (old, new) {
        (Ok(found), _) => found.iter().for_each(|found| makes(found, address)),
        (Err(old), Err(new)) => {
            assert_eq!((old, new), (Code::ResourceNotFound, Code::InvalidParams));
        }
        (Err(_), Ok(_)) => unreachable!("compared above"),
    }
    is_read_back(address);
});

/// What a template of the server read out of an address.
#[derive(Debug, Deserialize, PartialEq)]
struct Read {
    template: String,
    variables: BTreeMap<String, String>,
}

/// Reads an address; `None` where it is that of a plain resource.
fn read(address: &str, is_modern: bool) -> Result<Option<Read>, Code> {
    let (caller, _end) = principal("caller");
    let mut params = json!({ "uri": address });
    if is_modern {
        params["_meta"] = meta();
    }
    let message =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": params });
    let message = message.to_string().into_bytes();
    let exchange =
        Exchange { principal: &caller, message: &message, headers: None, conversation: None };
    let reply = now(SERVER.handle(exchange, Output::held())).expect("an answer at once");
    let status = reply.status;
    let answer = check_answer(&message, Vec::new(), reply);
    if let Status::Refused(code, _) = status {
        return Err(code);
    }
    let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    let contents = &answer["result"]["contents"][0];
    assert_eq!(contents["uri"], address);
    Ok(serde_json::from_str(contents["text"].as_str().expect("text")).ok())
}

/// The variables, put into their template, make the address.
fn makes(Read { template, variables }: &Read, address: &str) {
    assert!(TEMPLATES.contains(&template.as_str()));
    assert!(variables.values().all(|value| !value.is_empty()));
    // Decoded, both are the same: a client chooses what it encodes.
    assert_eq!(expand(template, variables, str::to_owned), decode(address));
}

/// Any text, encoded as a client has to, comes back as the value of a variable.
fn is_read_back(value: &str) {
    if value.is_empty() {
        return;
    }
    for template in TEMPLATES {
        let names = names(template);
        let variables: BTreeMap<_, _> =
            names.into_iter().map(|name| (name.to_owned(), value.to_owned())).collect();
        let address = expand(template, &variables, encode);
        if address.len() > MAX_BYTES {
            assert_eq!(read(&address, false), Err(Code::ResourceNotFound));
            continue;
        }
        let found = read(&address, false).expect("of the template").expect("no plain resource");
        // An earlier template may be of the same form.
        if found.template == template {
            assert_eq!(found.variables, variables);
        }
        makes(&found, &address);
    }
}

fn names(template: &str) -> Vec<&str> {
    template.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

fn expand(
    template: &str,
    variables: &BTreeMap<String, String>,
    write: fn(&str) -> String,
) -> String {
    let mut address = String::new();
    for (place, part) in template.split('{').enumerate() {
        match part.split_once('}').filter(|_| place > 0) {
            Some((name, literal)) => {
                address.push_str(&write(&variables[name]));
                address.push_str(literal);
            }
            None => address.push_str(part),
        }
    }
    address
}

/// As RFC 6570 has it for a plain variable: all but the unreserved characters.
fn encode(value: &str) -> String {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let written = value.bytes().map(|byte| {
        if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    });
    written.collect()
}

/// As a reader of the RFC would write it, who shares no code with the one that is judged.
fn decode(address: &str) -> String {
    let mut pieces = address.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let (digits, rest) = piece.split_at(2);
        bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
        bytes.extend(rest.as_bytes());
    }
    String::from_utf8(bytes).expect("what was read is text")
}
