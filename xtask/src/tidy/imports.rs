//! Who imports whom: the edges of the tree against the table, and no way round in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::Finding;
use super::tables::{Allowed, DOCUMENT, Law, short};
use super::tree::{Member, Tree};

pub(super) fn check(tree: &Tree, law: &Law) -> Vec<Finding> {
    let members = tree.members();
    let names: BTreeSet<&str> = members.iter().map(|member| short(&member.name)).collect();
    let mut findings = Vec::new();
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for member in members.iter().filter(|member| !Law::is_free(&member.name)) {
        let imported = imported(member, &names);
        findings.extend(forbidden(member, &imported, law));
        edges.insert(short(&member.name), imported.into_iter().map(|(name, _)| name).collect());
    }
    findings.extend(unused(&edges, law));
    findings.extend(circle(&edges, law));
    findings
}

/// The members that a member imports, each with the line of its manifest.
fn imported(member: &Member, names: &BTreeSet<&str>) -> Vec<(String, usize)> {
    let dependencies = member.manifest.dependencies().into_iter();
    let short = dependencies.map(|(name, line)| (short(&name).to_owned(), line, name));
    // An outside crate may share the short name of a member: `pool` is not `mcp-pool`.
    let ours = short.filter(|(short, _, name)| short != name && names.contains(short.as_str()));
    ours.map(|(short, line, _)| (short, line)).collect()
}

fn forbidden(member: &Member, imported: &[(String, usize)], law: &Law) -> Vec<Finding> {
    let name = short(&member.name);
    let Some((allowed, _)) = law.imports.get(name) else {
        let message = format!("`{name}` has no row in the import table");
        let hint = "give it one in docs/architecture.md";
        return vec![Finding::error(&member.manifest_path, 0, message, hint)];
    };
    let forbidden = imported.iter().filter(|(other, _)| !allowed.contains(other));
    let finding = |(other, line): &(String, usize)| {
        let message = format!("`{name}` may not import `{other}`");
        let hint = "the import table in docs/architecture.md is the law";
        Finding::error(&member.manifest_path, *line, message, hint)
    };
    forbidden.map(finding).collect()
}

/// Edges that the table allows and nobody uses, where both ends exist.
fn unused(edges: &BTreeMap<&str, BTreeSet<String>>, law: &Law) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (importer, used) in edges {
        let Some((Allowed::Only(allowed), line)) = law.imports.get(*importer) else { continue };
        for other in allowed.difference(used).filter(|other| edges.contains_key(other.as_str())) {
            let message = format!("`{importer}` may import `{other}` and does not");
            findings.push(Finding::warning(DOCUMENT, *line, message, ""));
        }
    }
    findings
}

/// The first circle among the edges of the tree and the table together. Cargo refuses one in the
/// tree; one in the table would wait there for the first to use it.
fn circle(edges: &BTreeMap<&str, BTreeSet<String>>, law: &Law) -> Option<Finding> {
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (importer, used) in edges {
        graph.entry(*importer).or_default().extend(used.iter().map(String::as_str));
    }
    for (importer, (allowed, _)) in &law.imports {
        // What imports everything is a binary, and nobody may import it.
        if let Allowed::Only(names) = allowed {
            graph.entry(importer).or_default().extend(names.iter().map(String::as_str));
        }
    }
    let mut done = BTreeSet::new();
    let circle = graph.keys().find_map(|start| walk(&graph, start, &mut Vec::new(), &mut done))?;
    let message = format!("a circle: {}", circle.join(" ▶ "));
    Some(Finding::error(DOCUMENT, 0, message, "imports point down"))
}

fn walk<'a>(
    graph: &BTreeMap<&'a str, BTreeSet<&'a str>>,
    at: &'a str,
    way: &mut Vec<&'a str>,
    done: &mut BTreeSet<&'a str>,
) -> Option<Vec<&'a str>> {
    if let Some(first) = way.iter().position(|name| *name == at) {
        return Some(way[first..].iter().copied().chain([at]).collect());
    }
    if !done.insert(at) {
        return None;
    }
    way.push(at);
    let next = graph.get(at).into_iter().flatten();
    let found = next.copied().find_map(|other| walk(graph, other, way, done));
    way.pop();
    found
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::super::tables::law;
    use super::*;

    const IDENTITY: (&str, &str) =
        ("crates/mcp-identity/Cargo.toml", "[package]\nname = \"mcp-identity\"\n[dependencies]\n");
    const AUTH: (&str, &str) = (
        "crates/mcp-auth/Cargo.toml",
        "[package]\nname = \"mcp-auth\"\n[dependencies]\nmcp-identity.workspace = true\n",
    );

    #[test]
    fn an_edge_that_the_table_lists_is_fine() {
        let law = law("identity ▶ –\nauth ▶ identity");
        assert_eq!(check(&Tree::of(&[IDENTITY, AUTH]), &law), []);
    }

    #[test]
    fn an_edge_that_the_table_does_not_list_fails() {
        let law = law("identity ▶ –\nauth ▶ –");
        let told = told(&check(&Tree::of(&[IDENTITY, AUTH]), &law));
        assert!(
            told[0].starts_with(
                "error: crates/mcp-auth/Cargo.toml:4: `auth` may not import `identity`"
            )
        );
    }

    #[test]
    fn a_crate_without_a_row_fails() {
        let law = law("identity ▶ –");
        let told = told(&check(&Tree::of(&[IDENTITY, AUTH]), &law));
        assert!(told[0].contains("`auth` has no row in the import table"));
    }

    #[test]
    fn an_edge_listed_and_unused_is_named_once_both_ends_exist() {
        let law = law("identity, throttle ▶ –\nauth ▶ identity throttle");
        let throttle = ("crates/mcp-throttle/Cargo.toml", "[package]\nname = \"mcp-throttle\"\n");
        assert_eq!(check(&Tree::of(&[IDENTITY, AUTH]), &law), []);
        let told = told(&check(&Tree::of(&[IDENTITY, AUTH, throttle]), &law));
        assert_eq!(
            told,
            ["warning: docs/architecture.md:3: `auth` may import `throttle` and does not"]
        );
    }

    #[test]
    fn a_circle_in_the_table_fails() {
        let law = law("identity ▶ auth\nauth ▶ store\nstore ▶ identity");
        let told = told(&check(&Tree::of(&[]), &law));
        assert!(told[0].contains("a circle: auth ▶ store ▶ identity ▶ auth"));
    }

    #[test]
    fn what_only_tests_import_is_free() {
        let dev = "[package]\nname = \"mcp-identity\"\n[dev-dependencies]\nmcp-auth = \"0\"\n";
        let tree = Tree::of(&[(IDENTITY.0, dev), AUTH]);
        assert_eq!(check(&tree, &law("identity ▶ –\nauth ▶ identity")), []);
    }

    #[test]
    fn the_tests_may_import_anything() {
        let tests = "[package]\nname = \"mcp-tests\"\n[dependencies]\nmcp-auth = \"0\"\n";
        let tree = Tree::of(&[IDENTITY, AUTH, ("tests/Cargo.toml", tests)]);
        assert_eq!(check(&tree, &law("identity ▶ –\nauth ▶ identity")), []);
    }
}
