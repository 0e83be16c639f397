//! Lists, page by page.

use mcp_protocol::{PromptResult, ServerBuilder, ToolResult};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::client::{Legacy, Modern, Outcome};
use crate::offer::{builder, prompt, resource, template, tool};

/// Names, and addresses: order is that of adding, not of the alphabet.
const NAMES: [&str; 9] = ["test://z", "a", "M", "ü", "b c", "0", "test://a", "aa", "Z"];

/// The methods that list, and the member that holds what they list and the one that names it.
const LISTS: [(&str, &str, &str); 4] = [
    ("tools/list", "tools", "name"),
    ("prompts/list", "prompts", "name"),
    ("resources/list", "resources", "uri"),
    ("resources/templates/list", "resourceTemplates", "uriTemplate"),
];

fn offering(count: usize) -> ServerBuilder<u32> {
    NAMES[..count].iter().fold(builder(), |builder, name| {
        builder
            .tool(tool(name, |_, _| Box::pin(async { Ok(ToolResult::default()) })))
            .prompt(prompt(name, |_| Box::pin(async { Ok(PromptResult::default()) })))
            .resource(resource(name, |_| Box::pin(async { Ok(Vec::new()) })))
            .template(template(name, |_| Box::pin(async { Ok(Vec::new()) })))
    })
}

/// The pages of a list, from the first to the one that names no next.
fn pages(member: &str, send: impl Fn(&Value) -> Outcome) -> Vec<Vec<Value>> {
    let mut pages = Vec::new();
    let mut params = json!({});
    loop {
        let result = send(&params).content()["result"].clone();
        pages.push(result[member].as_array().unwrap().clone());
        assert!(pages.len() <= NAMES.len(), "pages without an end");
        match &result["nextCursor"] {
            Value::Null => return pages,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_pages_of_any_size_together_are_the_list(
        count in 1..=NAMES.len(),
        size in prop_oneof![8 => 0_usize..12, 1 => Just(usize::MAX)],
    ) {
        let server = offering(count).page_size(size).build();
        for (method, member, key) in LISTS {
            let old = pages(member, |params| Legacy::new(&server).send(method, params));
            let new = pages(member, |params| Modern::new(&server).send(method, params));
            prop_assert_eq!(&old, &new);
            // A page holds at least one entry, and none but the last holds fewer than it may.
            let (last, full) = old.split_last().unwrap();
            prop_assert!(full.iter().all(|page| page.len() == size.max(1)));
            prop_assert!((1..=size.max(1)).contains(&last.len()));
            let names: Vec<_> =
                old.iter().flatten().map(|entry| entry[key].as_str().unwrap()).collect();
            prop_assert_eq!(names, &NAMES[..count]);
        }
    }
}

#[test]
fn a_cursor_is_good_for_its_own_list_alone() {
    let server = offering(3).page_size(1).build();
    let client = Modern::new(&server);
    let cursor = |method| client.send(method, &json!({})).answer["result"]["nextCursor"].clone();
    let of_tools = cursor("tools/list");
    for (method, _, _) in LISTS {
        let outcome = client.send(method, &json!({ "cursor": of_tools }));
        if method == "tools/list" {
            assert_eq!(outcome.answer["result"]["tools"][0]["name"], NAMES[1]);
        } else {
            assert_eq!(outcome.code(), -32602, "{method}");
        }
    }
}
