//! URI templates (RFC 6570, level 1), read backwards: which variables make this address?

use std::collections::BTreeMap;

/// A template, taken apart. The server reads addresses with it; a tool that takes one can, too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UriTemplate {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Variable(String),
}

impl UriTemplate {
    /// Takes a template apart. An expression that is not `{name}` is taken literally: then it
    /// matches itself and nothing else.
    #[must_use]
    pub fn new(template: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = template;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.into()));
            }
            parts.push(Part::Variable(name.into()));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.into()));
        }
        Self { parts }
    }

    /// The values that make `uri` of this template, percent-decoded; `None` if none do. A
    /// variable takes at least one character and none of those that have a meaning in a URI.
    #[must_use]
    pub fn variables(&self, uri: &str) -> Option<BTreeMap<String, String>> {
        let mut variables = BTreeMap::new();
        let mut rest = uri;
        for part in &self.parts {
            match part {
                Part::Literal(literal) => rest = rest.strip_prefix(literal.as_str())?,
                Part::Variable(name) => {
                    let end = rest.find(is_reserved).unwrap_or(rest.len());
                    let (value, after) = rest.split_at(end);
                    if value.is_empty() {
                        return None;
                    }
                    variables.insert(name.clone(), decode(value)?);
                    rest = after;
                }
            }
        }
        rest.is_empty().then_some(variables)
    }
}

/// Characters that separate the parts of a URI (RFC 3986 §2.2, without those that names hold).
fn is_reserved(c: char) -> bool {
    matches!(c, '/' | '?' | '#' | '[' | ']')
}

/// Percent-decoding; `None` for a broken escape or for what is not UTF-8.
fn decode(value: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let (high, low) = (digit(rest.next()?)?, digit(rest.next()?)?);
        bytes.push(u8::try_from(high * 16 + low).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(template: &str, uri: &str) -> Option<Vec<(String, String)>> {
        UriTemplate::new(template).variables(uri).map(|found| found.into_iter().collect())
    }

    fn pairs(of: &[(&str, &str)]) -> Vec<(String, String)> {
        of.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
    }

    #[test]
    fn variables_are_read_out_of_an_address() {
        let template = "pg://schema/{schema}/{table}";
        let found = read(template, "pg://schema/public/a%20b%C3%BC");
        assert_eq!(found, Some(pairs(&[("schema", "public"), ("table", "a bü")])));
        assert_eq!(read("test://t/{id}/data", "test://t/1/data"), Some(pairs(&[("id", "1")])));
        assert_eq!(read("test://plain", "test://plain"), Some(vec![]));
    }

    #[test]
    fn an_address_of_another_form_is_none_of_the_template() {
        let template = "pg://schema/{schema}/{table}";
        for other in [
            "",
            "pg://schema/public",
            "pg://schema/public/",
            "pg://schema//t",
            "pg://schema/a/b/c",
            "pg://schema/a/b?c",
            "pg://schema/a/%",
            "pg://schema/a/%f",
            "pg://schema/a/%zz",
            "pg://schema/a/%ff",
            "PG://schema/a/b",
        ] {
            assert_eq!(read(template, other), None, "{other}");
        }
    }
}
