//! `cargo xtask tidy`: the rules of `docs/architecture.md` and `docs/style.md` that a program can
//! check.
//!
//! The tree is read once; each check is a function from the [`Tree`] to its [`Finding`]s, and its
//! tests hold a small tree that breaks the rule next to one that keeps it. An error fails the
//! task; a warning is told and does not.

mod changes;
mod confined;
mod finding;
mod imports;
mod manifest;
mod public;
mod rust;
mod sizes;
mod tables;
mod tree;
mod words;

use crate::shell::{Failure, root, say};

use self::finding::{Finding, Level};
use self::tree::Tree;

/// The task.
pub(crate) fn run() -> Result<(), Failure> {
    let tree = tree()?;
    let mut findings = check(&tree);
    // Errors last: whoever looks at the end of the output sees what stops him.
    findings.sort_by(|a, b| a.order().cmp(&b.order()));
    for finding in &findings {
        say(finding.to_string());
    }
    let errors = findings.iter().filter(|finding| finding.level == Level::Error).count();
    let warnings = findings.len() - errors;
    let told = format!("tidy: {errors} errors, {warnings} warnings in {} files", tree.len());
    if errors > 0 {
        return Err(Failure::new(told));
    }
    say(told);
    Ok(())
}

/// The workspace that the tasks belong to.
pub(crate) fn tree() -> Result<Tree, Failure> {
    Tree::read(root())
}

/// The crates with a public interface that offer features.
pub(crate) fn public_crates_with_features(tree: &Tree) -> Result<Vec<String>, Failure> {
    let law = tables::Law::read(tree).map_err(|finding| Failure::new(finding.to_string()))?;
    let members = tree.members().into_iter();
    let offering = members.filter(|member| {
        law.is_public(&member.name) && !member.manifest.section("features").is_empty()
    });
    Ok(offering.map(|member| member.name).collect())
}

fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = match tables::Law::read(tree) {
        Ok(law) => {
            [imports::check(tree, &law), confined::check(tree, &law), public::check(tree, &law)]
                .concat()
        }
        Err(finding) => vec![finding],
    };
    findings.extend(sizes::check(tree));
    findings.extend(words::check(tree));
    findings.extend(changes::check(tree));
    findings
}
