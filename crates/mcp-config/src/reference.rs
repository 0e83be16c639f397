//! The generated pages: the JSON schema of the file, and the table of keys.
//!
//! Both are the types seen through the table: types give structure and meaning, the table gives
//! defaults, bounds, names and reload.

use std::fmt::Write as _;

use schemars::generate::SchemaSettings;
use serde_json::Value as Json;

use crate::section::Config;
use crate::table::{self, Fallback, Key, Place, Reload};
use crate::value::Kind;

/// The JSON schema of the configuration file, with its keys in a stable order.
#[must_use]
pub fn schema_json() -> String {
    let mut schema = types_schema();
    open(&mut schema);
    for key in table::places().map(Place::key) {
        if let Some(parent) = parent_of(&mut schema, key.path) {
            describe(parent, key);
        }
    }
    for key in table::places().map(Place::key) {
        if let Some(path) = key.other_path {
            describe_other_path(&mut schema, path, key);
        }
    }
    // `#`: indented. Writing a schema into a string cannot fail, which `to_string_pretty` hides.
    format!("{:#}\n", sorted(schema))
}

/// The reference page: one row a key.
#[must_use]
pub fn reference_markdown() -> String {
    let mut schema = types_schema();
    let mut page = String::from(HEAD);
    for section in table::SECTIONS {
        page.push_str("\n| key | meaning | takes | default | environment | flag | on reload |\n");
        page.push_str("|---|---|---|---|---|---|---|\n");
        for key in section {
            let parent = parent_of(&mut schema, key.path);
            let meaning = parent.and_then(|parent| meaning(parent, key)).unwrap_or_default();
            let cells = [
                code(key.path),
                meaning + &other_path(key),
                key.kind.to_string(),
                default(key),
                environment(key),
                key.flag.map(code).unwrap_or_default(),
                reload(key).to_owned(),
            ];
            // Into a string: cannot fail.
            let cells = cells.map(|cell| cell.replace('|', "\\|"));
            let _ = writeln!(page, "| {} |", cells.join(" | "));
        }
    }
    page
}

const HEAD: &str = "\
<!-- Generated from the types and the table of keys; `cargo xtask schema` writes it. -->
# Configuration

A flag wins over the environment, the environment over the file, the file over the default. The
file is YAML, or JSON where its name ends in `.json`; relative paths in it are relative to it.
Unknown keys, keys given twice and values out of bounds stop the start, with file and line. YAML
anchors, aliases, tags and merge keys are refused. Two names of one key must agree.

`PG*` and `PGPASSFILE` are weaker than flags and are used only where the file lists no database;
a `url` replaces everything that weaker sources say about the same connection. Of several
databases, `MCP_DATABASES_0_…` is the first, which is also the one that flags speak of. In the
environment lists are separated by commas, and an empty value counts as none. A secret can also
be read from a file: `password_file` in the file, `…_FILE` in the environment; a newline at its
end is cut.
";

fn types_schema() -> Json {
    // Inline, so that a key path leads to its schema without following references.
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().into()
}

/// The `properties` that hold a key, and with it its name.
fn parent_of<'s>(schema: &'s mut Json, path: &str) -> Option<&'s mut Json> {
    let (above, _) = path.rsplit_once('.')?;
    let pointer =
        above.split('.').fold(String::new(), |pointer, part| match part.strip_suffix("[]") {
            Some(list) => format!("{pointer}/properties/{list}/items"),
            None => format!("{pointer}/properties/{part}"),
        });
    schema.pointer_mut(&format!("{pointer}/properties"))
}

fn last_part(key: &Key) -> &str {
    key.path.rsplit('.').next().unwrap_or(key.path)
}

/// What a key means, by the documentation of its field.
fn meaning(parent: &Json, key: &Key) -> Option<String> {
    parent.get(last_part(key))?.get("description")?.as_str().map(first_paragraph)
}

fn first_paragraph(text: &str) -> String {
    let paragraph = text.split("\n\n").next().unwrap_or(text);
    paragraph.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Turns the schema of a finished configuration into that of a file, in which every key may be
/// left out.
fn open(schema: &mut Json) {
    match schema {
        Json::Object(object) => {
            // By their values: a key of the configuration may bear the same name.
            object.retain(|word, value| match word.as_str() {
                "required" => !value.is_array(),
                "format" => !value.is_string(),
                _ => true,
            });
            // The rest of a doc comment speaks to programmers.
            if let Some(text) =
                object.get("description").and_then(Json::as_str).map(first_paragraph)
            {
                object.insert("description".into(), text.into());
            }
            object.values_mut().for_each(open);
        }
        Json::Array(items) => items.iter_mut().for_each(open),
        _ => {}
    }
}

/// Adds to a key's schema what only the table knows.
fn describe(parent: &mut Json, key: &Key) {
    let name = last_part(key);
    let schema = &mut parent[name];
    if let Fallback::Is(text) = key.fallback {
        schema["default"] = key.kind.parse(text).map_or(Json::Null, |value| value.to_json());
    }
    if let Kind::Integer { min, max } = key.kind {
        (schema["minimum"], schema["maximum"]) = (min.into(), max.into());
    }
    schema["x-reload"] = reload(key).into();
    if key.is_secret() {
        let description = format!("A file that holds `{name}`; a newline at its end is cut.");
        parent[format!("{name}_file")] =
            serde_json::json!({ "type": ["string", "null"], "description": description });
    }
}

/// Adds the second path of a key, a section and a name.
fn describe_other_path(schema: &mut Json, path: &str, key: &Key) {
    let Some((section, name)) = path.split_once('.') else { return };
    let description = format!("Another name of `{}`.", key.path);
    let names = [name.to_owned(), format!("{name}_file")];
    let properties: serde_json::Map<String, Json> = names
        .into_iter()
        .take(if key.is_secret() { 2 } else { 1 })
        .map(|name| {
            (name, serde_json::json!({ "type": ["string", "null"], "description": description }))
        })
        .collect();
    schema["properties"][section] = serde_json::json!({
        "type": ["object", "null"], "additionalProperties": false, "properties": properties,
    });
}

fn code(text: &str) -> String {
    format!("`{text}`")
}

fn default(key: &Key) -> String {
    match key.fallback {
        Fallback::Is(text) => code(text),
        Fallback::Derived(words) | Fallback::Unset(words) => words.to_owned(),
    }
}

fn other_path(key: &Key) -> String {
    key.other_path.map(|path| format!(" In a file also `{path}`.")).unwrap_or_default()
}

fn environment(key: &Key) -> String {
    let own = std::iter::once(key.environment_name());
    let others = key.aliases.iter().chain(key.ambient).map(|name| (*name).to_owned());
    let mut names: Vec<String> = own.chain(others).map(|name| code(&name)).collect();
    if key.is_secret() {
        names.push("each with `_FILE`".into());
    }
    names.join(", ")
}

fn reload(key: &Key) -> &'static str {
    match key.reload {
        Reload::Live => "at once",
        Reload::Restart => "restart",
        Reload::Content => "restart; the file's content at once",
    }
}

/// The same value with the keys of its objects in order, whatever map `serde_json` was built with.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(object) => {
            let mut entries: Vec<_> = object.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.into_iter().map(|(key, value)| (key, sorted(value))).collect()
        }
        Json::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn leaves(schema: &Json, path: &str, found: &mut BTreeSet<String>) {
        if let Some(properties) = schema.get("properties").and_then(Json::as_object) {
            for (name, below) in properties {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                leaves(below, &path, found);
            }
        } else if let Some(items) =
            schema.get("items").filter(|items| items["properties"].is_object())
        {
            leaves(items, &format!("{path}[]"), found);
        } else {
            found.insert(path.to_owned());
        }
    }

    #[test]
    fn the_types_and_the_table_agree_key_for_key() {
        let mut typed = BTreeSet::new();
        leaves(&types_schema(), "", &mut typed);
        let listed: BTreeSet<_> =
            table::places().map(|place| place.key().path.to_owned()).collect();
        assert_eq!(typed, listed);
    }

    #[test]
    fn the_words_that_a_type_takes_are_those_of_the_table() {
        let schema = types_schema();
        for key in table::places().map(Place::key) {
            let mut schema = schema.clone();
            let Kind::OneOf(words) = key.kind else { continue };
            let schema = parent_of(&mut schema, key.path).unwrap()[last_part(key)].to_string();
            for word in words {
                assert!(schema.contains(&format!("\"{word}\"")), "{}: {word}: {schema}", key.path);
            }
        }
    }

    #[test]
    fn every_key_has_a_meaning_in_both_pages() {
        let page = reference_markdown();
        for key in table::places().map(Place::key) {
            let row = format!("| `{}` | ", key.path);
            let meaning = page.split(&row).nth(1).and_then(|rest| rest.split(" | ").next());
            assert!(meaning.is_some_and(|text| text.ends_with('.')), "{}: {meaning:?}", key.path);
        }
        let schema: Json = serde_json::from_str(&schema_json()).unwrap();
        let token_file =
            &schema["properties"]["http"]["properties"]["auth"]["properties"]["token_file"];
        assert_eq!(token_file["description"], "The file of API tokens.");
    }

    #[test]
    fn the_schema_asks_for_nothing_and_knows_defaults_bounds_reload_and_secret_files() {
        let text = schema_json();
        assert!(!text.contains("\"required\""));
        let schema: Json = serde_json::from_str(&text).unwrap();
        let database = &schema["properties"]["databases"]["items"]["properties"];
        assert_eq!(database["port"]["default"], 5432);
        assert_eq!(database["port"]["maximum"], 65_535);
        assert!(database["password_file"].is_object());
        let level = &schema["properties"]["log"]["properties"]["level"];
        assert_eq!(level["x-reload"], "at once");
        assert_eq!(level["description"], "The least important line that is still written.");
        let mut kept = BTreeSet::new();
        leaves(&schema, "", &mut kept);
        assert!(kept.contains("log.format") && kept.contains("databases[].url_file"));
        let format = &schema["properties"]["log"]["properties"]["format"];
        assert_eq!(format["oneOf"].as_array().map(Vec::len), Some(3));
    }
}
