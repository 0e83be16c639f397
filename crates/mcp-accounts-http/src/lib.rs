//! Accounts over HTTP: REST under `/auth`, and the OpenAPI document that says so.
//!
//! [`AccountsHttp`] is a tower service that answers everything under `/auth`. Each endpoint is a
//! row of a table that says its method, its path, who may ask, what is sent and every
//! answer; the service obeys the table, and [`openapi`] prints it: one cannot say what the other
//! does not do.
//!
//! [`RecoveryHttp`] answers what a lost password needs, and the one page that the link in a
//! letter leads to; the document tells of all but the page.
//!
//! What is done, `mcp-accounts` decides. Here it is read from the wire and put on it: bodies of at
//! most 16 KiB, JSON, each parsed once; 422 names the field and never repeats what it held; every
//! answer says that nobody may keep it.

mod answer;
mod body;
mod endpoint;
mod form;
mod openapi;
mod percent;
mod recovery;
mod route;
mod service;
mod view;

pub use openapi::document as openapi;
pub use recovery::{RecoveryHttp, is_recovery, is_reset_page};
pub use service::AccountsHttp;
