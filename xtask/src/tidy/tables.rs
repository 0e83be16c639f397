//! The tables of `docs/architecture.md` that a person reads and this program holds to.
//!
//! ```text
//! <!-- import-table -->        names ▶ what they may import; `–` nothing, `everything`
//! <!-- confined-crates -->     outside crates: the members that may name them
//! <!-- public-crates -->       names
//! <!-- /import-table --> and so on end each
//! ```
//!
//! Members go by their names without `mcp-`.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::tree::Tree;

pub(super) const DOCUMENT: &str = "docs/architecture.md";

/// Packages that may import anything: nobody imports them, and they are not delivered.
const FREE: [&str; 2] = ["tests", "xtask"];

/// A member's name as the tables write it.
pub(super) fn short(name: &str) -> &str {
    name.strip_prefix("mcp-").unwrap_or(name)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Allowed {
    Everything,
    Only(BTreeSet<String>),
}

impl Allowed {
    pub(super) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(names) => names.contains(name),
        }
    }
}

/// What the tables say.
#[derive(Debug)]
pub(super) struct Law {
    /// What each member may import, and the line that says so.
    pub(super) imports: BTreeMap<String, (Allowed, usize)>,
    /// The members that may name an outside crate.
    pub(super) confined: BTreeMap<String, BTreeSet<String>>,
    public: BTreeSet<String>,
}

impl Law {
    /// Reads the tables. A missing or unreadable one is a finding: without it nothing is held.
    pub(super) fn read(tree: &Tree) -> Result<Self, Finding> {
        let text = tree.text(DOCUMENT).unwrap_or_default();
        let mut imports = BTreeMap::new();
        for (number, line) in table(text, "import-table")? {
            let (importers, allowed) =
                line.split_once('▶').ok_or_else(|| unreadable(number, line))?;
            let allowed = match names(allowed).as_slice() {
                ["everything"] => Allowed::Everything,
                ["–"] => Allowed::Only(BTreeSet::new()),
                listed => Allowed::Only(listed.iter().copied().map(str::to_owned).collect()),
            };
            for importer in names(importers) {
                imports.insert(importer.to_owned(), (allowed.clone(), number));
            }
        }
        let mut confined = BTreeMap::new();
        for (number, line) in table(text, "confined-crates")? {
            let (outside, members) =
                line.split_once(':').ok_or_else(|| unreadable(number, line))?;
            let members: BTreeSet<String> = names(members).into_iter().map(str::to_owned).collect();
            for name in names(outside) {
                confined.insert(name.to_owned(), members.clone());
            }
        }
        let public = table(text, "public-crates")?;
        let public = public.iter().flat_map(|(_, line)| names(line)).map(str::to_owned).collect();
        Ok(Self { imports, confined, public })
    }

    /// Do others build on the crate, so that its interface is documented and kept?
    pub(super) fn is_public(&self, name: &str) -> bool {
        self.public.contains(short(name))
    }

    /// May the package import whatever it likes?
    pub(super) fn is_free(name: &str) -> bool {
        FREE.contains(&short(name))
    }
}

/// The lines between the markers of one table, with their numbers. Fences and empty lines are
/// for the reader.
fn table<'a>(text: &'a str, name: &str) -> Result<Vec<(usize, &'a str)>, Finding> {
    let (open, close) = (format!("<!-- {name} -->"), format!("<!-- /{name} -->"));
    let lines = text.lines().enumerate().map(|(number, line)| (number + 1, line.trim()));
    let mut lines = lines.skip_while(|(_, line)| *line != open).skip(1).peekable();
    let missing = || {
        let message = format!("no table between `{open}` and `{close}`");
        Finding::error(DOCUMENT, 0, message, "the rules of tidy are read from there")
    };
    let mut rows = Vec::new();
    loop {
        match lines.next() {
            None => return Err(missing()),
            Some((_, line)) if line == close => break,
            Some((_, line)) if line.is_empty() || line.starts_with("```") => {}
            Some(row) => rows.push(row),
        }
    }
    if rows.is_empty() { Err(missing()) } else { Ok(rows) }
}

fn names(list: &str) -> Vec<&str> {
    let separated = list.split(|c: char| c == ',' || c.is_whitespace());
    separated.filter(|name| !name.is_empty()).map(short).collect()
}

fn unreadable(line: usize, text: &str) -> Finding {
    let message = format!("cannot read `{text}`");
    Finding::error(DOCUMENT, line, message, "each row is `names ▶ names` or `names: names`")
}

/// A law for the tests of the checks: the import table as given, the rest fixed.
#[cfg(test)]
pub(super) fn law(imports: &str) -> Law {
    let text = format!(
        "<!-- import-table -->\n{imports}\n<!-- /import-table -->\n\
         <!-- confined-crates -->\nnotify: watch\n<!-- /confined-crates -->\n\
         <!-- public-crates -->\nidentity watch\n<!-- /public-crates -->\n"
    );
    Law::read(&Tree::of(&[(DOCUMENT, &text)])).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_speaks_for_each_importer_it_names() {
        let law = law("identity ▶ –\npassword, config ▶ identity\nmcp-server ▶ everything");
        assert_eq!(law.imports["identity"].0, Allowed::Only(BTreeSet::new()));
        assert_eq!(law.imports["password"].0, law.imports["config"].0);
        assert!(law.imports["config"].0.contains("identity"));
        assert_eq!(law.imports["server"], (Allowed::Everything, 4));
        assert!(law.is_public("mcp-watch") && !law.is_public("mcp-config"));
    }

    #[test]
    fn a_missing_table_is_an_error() {
        assert!(Law::read(&Tree::of(&[])).is_err());
        let cut_off = "<!-- import-table -->\nidentity ▶ –\n";
        assert!(Law::read(&Tree::of(&[(DOCUMENT, cut_off)])).is_err());
    }

    #[test]
    fn an_unreadable_row_is_an_error_with_its_line() {
        let text = "<!-- import-table -->\nidentity\n<!-- /import-table -->\n";
        let finding = Law::read(&Tree::of(&[(DOCUMENT, text)])).unwrap_err();
        assert!(finding.to_string().contains("architecture.md:2: cannot read `identity`"));
    }
}
