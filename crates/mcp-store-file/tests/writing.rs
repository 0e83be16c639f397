//! What a change does to the file, and what it leaves alone.

#![expect(clippy::unwrap_used, reason = "a step that fails is a failed test")]

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use mcp_identity::{TokenHash, TokenId};
use mcp_store::{
    Change, InsertRejection, RotateRejection, Rotation, StoreErrorKind, TokenRecord, TokenSelector,
    TokenStore as _,
};
use mcp_store_file::TokenFile;
use proptest::prelude::*;
use tempfile::TempDir;

const LIST: &str = "\
# Tokens of the shop. Ask Alice before you touch them.
tokens:
  # the website
  - id: one   # do not remove
    hash: 1111111111111111111111111111111111111111111111111111111111111111
    note: \"1\"
    created_at: 2024-10-30T10:15:30Z

  # the nightly job
  - note: 'two'
    owner: {team: ops, pager: 5}   # ours
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: \"2024-10-31T10:15:30Z\"
    hash: '2222222222222222222222222222222222222222222222222222222222222222'
    id: two
  - id: three
    created_at: 2024-10-30T10:15:30Z
    hash: 3333333333333333333333333333333333333333333333333333333333333333
# the end
contact: alice
";

const MAP: &str = "\
tokens:
    # the website
    one:   # do not remove
        hash: 1111111111111111111111111111111111111111111111111111111111111111
        expires_at: null
        annotation: \"1\"
        created_at: 2024-10-30T10:15:30.5Z
    # the nightly job
    \"two\":
        hash: 2222222222222222222222222222222222222222222222222222222222222222
        created_at: 2024-10-30T10:15:30Z
        expires_at: 2024-10-31T10:15:30Z
";

struct Kept {
    folder: TempDir,
    path: PathBuf,
    tokens: TokenFile,
}

fn kept(text: &str) -> Kept {
    let kept = missing();
    fs::write(&kept.path, text).unwrap();
    fs::set_permissions(&kept.path, Permissions::from_mode(0o600)).unwrap();
    kept
}

fn missing() -> Kept {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.yaml");
    Kept { tokens: TokenFile::open(&path), path, folder }
}

impl Kept {
    fn text(&self) -> String {
        fs::read_to_string(&self.path).unwrap()
    }

    fn names(&self) -> Vec<String> {
        let files = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<_> =
            files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

fn second(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(n)
}

fn record(id: &str, note: &str) -> TokenRecord {
    let hash = TokenHash::parse_hex(&"9".repeat(64)).unwrap();
    let record = TokenRecord::new(TokenId::parse(id).unwrap(), hash, second(1_730_283_330));
    TokenRecord { note: note.into(), expires_at: Some(second(1_761_819_330)), ..record }
}

const NINES: &str = "9999999999999999999999999999999999999999999999999999999999999999";

#[tokio::test]
async fn the_first_token_makes_a_private_file_in_the_documented_layout() {
    let kept = missing();
    kept.tokens.insert(record("token-1", "Production API")).await.unwrap();
    let expected = format!(
        "tokens:\n  - id: token-1\n    hash: '{NINES}'\n    note: Production API\n    \
         created_at: \"2024-10-30T10:15:30Z\"\n    expires_at: \"2025-10-30T10:15:30Z\"\n"
    );
    assert_eq!(kept.text(), expected);
    let mode = |name: &str| fs::metadata(kept.folder.path().join(name)).unwrap().mode() & 0o7777;
    assert_eq!((mode("tokens.yaml"), mode("tokens.yaml.lock")), (0o600, 0o600));
    assert_eq!(kept.names(), ["tokens.yaml", "tokens.yaml.lock"]);
}

#[tokio::test]
async fn a_new_entry_leaves_every_other_byte_alone_in_both_layouts() {
    let list = kept(LIST);
    list.tokens.insert(record("token-9", "new")).await.unwrap();
    let (before, after) = LIST.split_at(LIST.find("# the end").unwrap());
    let text = list.text();
    assert!(text.starts_with(&format!("{before}  - id: token-9\n    hash:")), "{text}");
    assert!(text.ends_with(after), "{text}");

    let map = kept(MAP);
    map.tokens.insert(record("token-9", "new")).await.unwrap();
    let text = map.text();
    assert!(text.starts_with(&format!("{MAP}    token-9:\n")), "{text}");
    assert!(text.contains("annotation: new\n"), "{text}");
}

fn rotation(id: &str) -> Rotation {
    Rotation {
        id: TokenId::parse(id).unwrap(),
        hash: TokenHash::parse_hex(NINES).unwrap(),
        at: second(1_730_300_000),
        old_ends: second(1_730_303_600),
    }
}

fn by_id(id: &str) -> TokenSelector {
    TokenSelector::Id(TokenId::parse(id).unwrap())
}

#[tokio::test]
async fn a_rotation_sets_one_end_adds_one_entry_and_leaves_every_other_byte_alone() {
    let list = kept(LIST);
    list.tokens.rotate(by_id("two"), rotation("token-9")).await.unwrap();
    let successor = format!(
        "  - id: token-9\n    hash: '{NINES}'\n    note: two\n    \
         created_at: \"2024-10-30T14:53:20Z\"\n    expires_at: \"2024-10-31T14:53:20Z\"\n"
    );
    let (before, after) = LIST.split_at(LIST.find("# the end").unwrap());
    let before = before.replace("\"2024-10-31T10:15:30Z\"", "\"2024-10-30T15:53:20Z\"");
    assert_eq!(list.text(), format!("{before}{successor}{after}"));

    let map = kept(MAP);
    map.tokens.rotate(by_id("one"), rotation("token-9")).await.unwrap();
    let before = MAP.replace("expires_at: null", "expires_at: \"2024-10-30T15:53:20Z\"");
    let successor = format!(
        "    token-9:\n      hash: '{NINES}'\n      annotation: '1'\n      \
         created_at: \"2024-10-30T14:53:20Z\"\n      expires_at: null\n"
    );
    assert_eq!(map.text(), format!("{before}{successor}"));
}

#[tokio::test]
async fn a_rotation_that_is_refused_writes_nothing() {
    let list = kept(LIST);
    let refused = list.tokens.rotate(by_id("two"), rotation("three")).await;
    assert_eq!(refused, Err(RotateRejection::IdTaken));
    let late = Rotation { at: second(1_800_000_000), ..rotation("token-9") };
    assert_eq!(list.tokens.rotate(by_id("two"), late).await, Err(RotateRejection::Expired));
    assert_eq!(list.text(), LIST);

    let nowhere = missing();
    let refused = nowhere.tokens.rotate(by_id("two"), rotation("token-9")).await.unwrap_err();
    let RotateRejection::Store(error) = refused else { unreachable!("{refused}") };
    assert_eq!(error.kind, StoreErrorKind::Missing);
    assert!(!nowhere.path.exists());
}

#[tokio::test]
async fn a_removal_takes_the_entry_and_leaves_every_other_line_alone() {
    let list = kept(LIST);
    let removed = list.tokens.remove(TokenSelector::HashPrefix("22222222".into())).await.unwrap();
    assert_eq!(removed.note, "two");
    let from = LIST.find("  - note: 'two'").unwrap();
    let to = LIST.find("  - id: three").unwrap();
    assert_eq!(list.text(), format!("{}{}", &LIST[..from], &LIST[to..]));

    let map = kept(MAP);
    map.tokens.remove(TokenSelector::Id(TokenId::parse("two").unwrap())).await.unwrap();
    assert_eq!(map.text(), MAP[..MAP.find("    \"two\"").unwrap()]);
}

#[tokio::test]
async fn the_last_removal_leaves_a_file_that_says_that_it_is_empty() {
    for (text, empty) in [(LIST, "[]\n"), (MAP, "{}\n")] {
        let kept = kept(text);
        for record in kept.tokens.read().unwrap() {
            kept.tokens.remove(TokenSelector::Id(record.id)).await.unwrap();
        }
        assert_eq!(kept.tokens.read(), Ok(vec![]));
        assert!(kept.text().contains(empty), "{}", kept.text());
        kept.tokens.insert(record("token-1", "again")).await.unwrap();
        assert_eq!(kept.tokens.read().unwrap(), [record("token-1", "again")]);
    }
}

#[tokio::test]
async fn other_ways_to_write_a_file_survive_a_change_or_are_refused_untouched() {
    for text in [
        "{}\n",
        "tokens: []",
        "---\ntokens: []\n...\n",
        "tokens:\n- id: a\n  hash: HASH\n  created_at: 2024-10-30T10:15:30Z",
        "tokens:\r\n  - id: a\r\n    hash: HASH\r\n    created_at: 2024-10-30T10:15:30Z\r\n",
        "tokens: [{id: a, hash: HASH, created_at: \"2024-10-30T10:15:30Z\"}]\n",
        "{\"tokens\": {\"a\": {\"hash\": \"HASH\", \"created_at\": \"2024-10-30T10:15:30Z\"}}}",
        "tokens:\n  -\n    id: a\n    hash: HASH\n    note: |\n      two\n      lines\n    created_at: 2024-10-30T10:15:30Z\n\n\n# end",
    ] {
        let text = text.replace("HASH", &"1".repeat(64));
        let kept = kept(&text);
        let mut expected = kept.tokens.read().unwrap();
        match kept.tokens.insert(record("token-9", "x")).await {
            Ok(()) => {
                expected.push(record("token-9", "x"));
                assert_eq!(kept.tokens.read().unwrap(), expected, "{}", kept.text());
                for line in text.lines().filter(|line| line.contains('#')) {
                    assert!(kept.text().contains(line));
                }
            }
            Err(refused) => {
                assert!(refused.to_string().contains("cannot be changed"), "{refused}");
                assert_eq!(kept.text(), text);
            }
        }
    }
}

#[tokio::test]
async fn expired_tokens_go_and_a_file_without_any_is_not_written_at_all() {
    let kept = kept(LIST);
    let mut changes = kept.tokens.changes();
    assert_eq!(kept.tokens.remove_expired(second(1_730_369_729)).await, Ok(0));
    assert_eq!((kept.text().as_str(), kept.names()), (LIST, vec!["tokens.yaml".to_owned()]));
    assert_eq!(kept.tokens.remove_expired(second(1_730_369_730)).await, Ok(1));
    assert_eq!(kept.tokens.read().unwrap().len(), 2);
    assert_eq!(changes.next().await, Some(Change::Everything));
}

#[tokio::test]
async fn from_twenty_thousand_tokens_up_the_expired_are_left_to_the_next_writer() {
    let created = "created_at: \"2024-10-30T10:15:30Z\"";
    let entry = |n: usize| format!("  - {{id: t-{n}, hash: {n:064x}, {created}}}\n");
    let good: String = (1..20_000).map(entry).collect();
    let expired = entry(0).replace('}', ", expires_at: \"2024-10-31T10:15:30Z\"}");
    let many = format!("tokens:\n{expired}{good}");
    let kept = kept(&many);
    assert_eq!(kept.tokens.remove_expired(second(1_730_369_730)).await, Ok(0));
    assert!(kept.text() == many && kept.names() == ["tokens.yaml"]);
}

#[tokio::test]
async fn what_a_killed_writer_left_is_removed_by_the_next_one() {
    let kept = kept(LIST);
    fs::write(kept.folder.path().join(".tokens.yaml.x1y2z3.tmp"), "tok").unwrap();
    fs::write(kept.folder.path().join("mine.tmp"), "").unwrap();
    kept.tokens.insert(record("token-9", "")).await.unwrap();
    assert_eq!(kept.names(), ["mine.tmp", "tokens.yaml", "tokens.yaml.lock"]);
}

#[tokio::test]
async fn a_link_stays_and_its_target_is_replaced_under_the_lock_of_the_target() {
    let kept = kept(LIST);
    let link = kept.folder.path().join("link.yaml");
    symlink("tokens.yaml", &link).unwrap();
    TokenFile::open(&link).insert(record("token-9", "")).await.unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(kept.tokens.read().unwrap().len(), 4);
    assert_eq!(kept.names(), ["link.yaml", "tokens.yaml", "tokens.yaml.lock"]);
}

#[tokio::test]
async fn a_broken_file_is_left_as_it_is() {
    for text in ["tokens:\n  - id: a\n", "", "tokens: [\n"] {
        let kept = kept(text);
        let refused = kept.tokens.insert(record("token-9", "")).await.unwrap_err();
        assert!(
            matches!(refused, InsertRejection::Store(error) if error.kind == StoreErrorKind::Refused)
        );
        assert_eq!(kept.text(), text);
    }
}

#[test]
fn writers_that_meet_lose_nothing() {
    let kept = missing();
    std::thread::scope(|scope| {
        for writer in 0..8 {
            let path = &kept.path;
            scope.spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let id = TokenId::parse(&format!("token-{writer}")).unwrap();
                let hash = TokenHash::of_presented(id.as_str().as_bytes());
                let record = TokenRecord::new(id, hash, second(1));
                runtime.block_on(TokenFile::open(path).insert(record)).unwrap();
            });
        }
    });
    assert_eq!(kept.tokens.read().unwrap().len(), 8);
}

#[tokio::test]
async fn a_lock_file_that_is_a_link_is_refused() {
    let kept = kept(LIST);
    let victim = kept.folder.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    symlink("victim", kept.folder.path().join("tokens.yaml.lock")).unwrap();
    kept.tokens.insert(record("token-9", "")).await.unwrap_err();
    assert_eq!(fs::read_to_string(victim).unwrap(), "precious");
    assert_eq!(kept.text(), LIST);
}

#[tokio::test]
async fn hostile_notes_come_back_as_they_were_given() {
    let long = "é".repeat(10_000);
    for note in [
        "",
        " ",
        "null",
        "~",
        "true",
        "0x1F",
        "1e3",
        "- a",
        "# a",
        "a # b",
        "a: b",
        "{",
        "]",
        "&x",
        "*x",
        "!x",
        "|",
        ">",
        "%a",
        "@a",
        "`a",
        "'",
        "\"",
        "\\",
        "---",
        "...",
        "\n",
        "\r\n",
        "a\n\nb\n",
        " a",
        "a ",
        "\t",
        "\u{1b}[31m",
        "\u{202e}abc",
        "\u{200b}",
        "\u{85}",
        "\u{2028}",
        "\u{feff}",
        "\u{0}",
        "<<",
        "tokens:\n  - id: x",
        &long,
    ] {
        for text in [LIST, MAP] {
            let kept = kept(text);
            kept.tokens.insert(record("token-9", note)).await.unwrap();
            assert_eq!(kept.tokens.read().unwrap().last().unwrap().note, note, "{}", kept.text());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_note_comes_back_or_is_refused_and_never_breaks_the_file(note in any::<String>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let kept = kept(MAP);
        let inserted = runtime.block_on(kept.tokens.insert(record("token-9", &note)));
        if inserted.is_ok() {
            prop_assert_eq!(&kept.tokens.read().unwrap()[2].note, &note);
        } else {
            prop_assert_eq!(kept.text(), MAP);
        }
    }
}
