//! The commands that change a file, one row each.

/// One command, the file that it changes, and what is true of both.
pub(crate) struct Row {
    /// What the summary calls it.
    pub(crate) name: &'static str,
    pub(crate) program: Program,
    /// What the configuration says.
    pub(crate) config: &'static str,
    pub(crate) arguments: &'static [&'static str],
    /// What stands on its standard input.
    pub(crate) input: &'static str,
    /// The file that it rewrites; the configuration of each case names it.
    pub(crate) file: &'static str,
    /// What the file says before; `None`: it is not there.
    pub(crate) before: Option<&'static str>,
    /// Keys in the file whose new values are others in each run.
    pub(crate) volatile: &'static [&'static str],
    /// What a message must name that tells of a change in spite of a failure.
    pub(crate) subject: Subject,
    /// Does it print a token, to be seen this once?
    pub(crate) mints: bool,
    /// Reads the whole file.
    pub(crate) list: &'static [&'static str],
    /// Add lines to the same file and change none: what comes after a failed command, by the owner
    /// of the files and by whoever ran it.
    pub(crate) next: [&'static [&'static str]; 2],
    /// What it is told and must not keep in plain.
    pub(crate) secret: Option<&'static str>,
}

/// Who runs a command, and so by what its end is judged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// The operator's tool: all that it does is the change, and its standard output tells of it.
    Admin,
    /// The server, which the owner of the files runs. It changes them when it starts, tells of it
    /// in its log, and serves whether or not that worked; here it meets what stops it next.
    Server,
}

impl Program {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "mcp-admin",
            Self::Server => "mcp-server",
        }
    }

    /// The code with which it ends when nothing fails.
    pub(crate) fn ends(self) -> i32 {
        match self {
            Self::Admin => 0,
            Self::Server => 1,
        }
    }

    /// How the call begins with which it tells of the change.
    pub(crate) fn tells(self) -> &'static str {
        match self {
            Self::Admin => "write(1<",
            Self::Server => "write(2<",
        }
    }
}

/// Whose entry a command changes.
pub(crate) enum Subject {
    /// That of the id which the new file has and the old one had not.
    NewId,
    Known(&'static str),
}

/// The configuration lies there in every case. Paths in it are relative to it.
pub(crate) const CONFIG: &str = "mcp-server.yaml";

const ADMIN: &str = "\
http:
  auth:
    token_file: tokens.yaml
    user_file: users.yaml
passwords:
  bcrypt_cost: 4
";

/// Ends the start right after the tokens: the server opens them before it looks at its databases,
/// and no database is meant by what this one says.
const SERVER: &str = "\
http:
  enabled: true
  address: 127.0.0.1:0
  auth:
    token_file: tokens.yaml
state:
  directory: .
databases:
  - name: shop
    url: host=/nowhere user=shop sslmode=perhaps
";

/// What the server says when it comes as far as that.
pub(crate) const STOPPED: &str = "ERROR: database shop: sslmode";

const TOKENS: &str = "\
# Tokens of the shop.
tokens:
  # the website
  - id: token-1001   # do not remove
    hash: 1111111111111111111111111111111111111111111111111111111111111111
    note: website
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: null
  - id: token-1002
    hash: '2222222222222222222222222222222222222222222222222222222222222222'
    note: nightly job
    created_at: \"2024-10-30T10:15:30Z\"
    pager: 5
# the end
";

/// The second one has expired, and the comment within it goes with it.
const EXPIRED: &str = "\
# Tokens of the shop.
tokens:
  # the website
  - id: token-1001   # do not remove
    hash: 1111111111111111111111111111111111111111111111111111111111111111
    note: website
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: null
  - id: token-1002
    hash: '2222222222222222222222222222222222222222222222222222222222222222'
    note: nightly job   # until it moves
    created_at: \"2024-10-30T10:15:30Z\"
    expires_at: \"2024-10-31T10:15:30Z\"
  - id: token-1003
    hash: \"3333333333333333333333333333333333333333333333333333333333333333\"
    note: backup
    created_at: \"2024-10-30T10:15:30Z\"
    pager: 5
# the end
";

const TOKEN_VOLATILE: &[&str] = &["id", "hash", "created_at", "expires_at"];

const NEXT: &[&str] = &["tokens", "add", "--note", "the next one", "--expiry", "never"];

const USERS: &str = "\
# Users of the shop.
users:
  # the owner
  alice:
    username: alice
    password_hash: $2b$04$lFOAhxPSauSb/kXCMplHMeOEGZ1BBbLor4hwADzUW8aJUGSFCuN9G
    created_at: \"2024-10-30T10:15:30Z\"
    enabled: true
  bob:   # at night
    username: bob
    password_hash: '$2b$04$lFOAhxPSauSb/kXCMplHMeOEGZ1BBbLor4hwADzUW8aJUGSFCuN9G'
    created_at: \"2024-10-30T10:15:30Z\"
    enabled: true
    annotation: night shift
    pager: 5
# the end
";

const NEW_PASSWORD: &str = "Correct horse battery 7";

/// What the rows about tokens have in common.
const ADD: Row = Row {
    name: "tokens add",
    program: Program::Admin,
    config: ADMIN,
    arguments: &["tokens", "add", "--note", "Production API", "--expiry", "30d"],
    input: "",
    file: "tokens.yaml",
    before: Some(TOKENS),
    volatile: TOKEN_VOLATILE,
    subject: Subject::NewId,
    mints: true,
    list: &["tokens", "list", "--json"],
    next: [NEXT, NEXT],
    secret: None,
};

pub(crate) const ROWS: &[Row] = &[
    ADD,
    Row { name: "tokens add, the first", before: None, ..ADD },
    Row {
        name: "tokens remove",
        arguments: &["tokens", "remove", "token-1002"],
        volatile: &[],
        subject: Subject::Known("token-1002"),
        mints: false,
        ..ADD
    },
    Row {
        name: "users update",
        arguments: &["users", "update", "bob", "--password-stdin"],
        input: NEW_PASSWORD,
        file: "users.yaml",
        before: Some(USERS),
        volatile: &["password_hash"],
        subject: Subject::Known("bob"),
        mints: false,
        list: &["users", "list", "--json"],
        next: [
            &["users", "add", "carol", "--password-stdin"],
            &["users", "add", "dave", "--password-stdin"],
        ],
        secret: Some(NEW_PASSWORD),
        ..ADD
    },
    Row {
        name: "the server's start",
        program: Program::Server,
        config: SERVER,
        arguments: &[],
        before: Some(EXPIRED),
        volatile: &[],
        subject: Subject::Known("token-1002"),
        mints: false,
        ..ADD
    },
];
