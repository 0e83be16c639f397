//! Outside crates that only a few of ours may name, so that replacing one is the work of one place.

use super::finding::Finding;
use super::tables::{Law, short};
use super::tree::Tree;

pub(super) fn check(tree: &Tree, law: &Law) -> Vec<Finding> {
    let mut findings = Vec::new();
    for member in tree.members().iter().filter(|member| !Law::is_free(&member.name)) {
        for (outside, line) in member.manifest.dependencies() {
            let Some(homes) = law.confined.get(&outside) else { continue };
            if !homes.contains(short(&member.name)) {
                let homes: Vec<&str> = homes.iter().map(String::as_str).collect();
                let message = format!("`{outside}` is confined to {}", homes.join(", "));
                let hint = "use the crate that wraps it";
                findings.push(Finding::error(&member.manifest_path, line, message, hint));
            }
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::finding::told;
    use super::super::tables::law;
    use super::*;

    fn importing(name: &str, section: &str) -> Vec<String> {
        let text = format!("[package]\nname = \"{name}\"\n[{section}]\nnotify.workspace = true\n");
        let path = format!("crates/{name}/Cargo.toml");
        told(&check(&Tree::of(&[(&path, &text)]), &law("watch ▶ –")))
    }

    #[test]
    fn a_confined_crate_is_fine_at_home() {
        assert!(importing("mcp-watch", "dependencies").is_empty());
    }

    #[test]
    fn a_confined_crate_fails_elsewhere() {
        let told = importing("mcp-auth", "dependencies");
        assert!(told[0].contains("mcp-auth/Cargo.toml:4: `notify` is confined to watch"));
    }

    #[test]
    fn a_confined_crate_is_free_in_tests() {
        assert!(importing("mcp-auth", "dev-dependencies").is_empty());
    }
}
