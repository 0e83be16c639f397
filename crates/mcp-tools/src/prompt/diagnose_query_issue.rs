//! `diagnose-query-issue`: why a query is slow, fails, or answers wrongly.

use mcp_identity::Principal;
use mcp_protocol::{
    BoxFuture, Completion, CompletionCall, Failure, Prompt, PromptArgument, PromptCall,
    PromptDescriptor, PromptResult,
};

use crate::catalog::Catalog;
use crate::prompt::{DATABASE, asked, fenced, filled, on_database, suggest};

/// Looks into one query.
pub(crate) struct DiagnoseQueryIssue {
    catalog: Catalog,
}

const QUERY: PromptArgument =
    PromptArgument { name: "query", title: "Query", description: "The SQL query", required: true };

const ISSUE: PromptArgument = PromptArgument {
    name: "issue",
    title: "Issue",
    description: "What is wrong with it: slow, an error message, an answer that cannot be right",
    required: false,
};

impl DiagnoseQueryIssue {
    pub(crate) const NAME: &'static str = "diagnose-query-issue";

    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    fn text(&self, call: &PromptCall<'_, Principal>) -> Result<String, Failure> {
        let database = on_database(&self.catalog, call.principal, call.arguments)?;
        let query = fenced("sql", filled(call.arguments, QUERY.name).unwrap_or_default());
        let issue = filled(call.arguments, ISSUE.name)
            .map(|issue| format!("\nWhat is wrong with it:\n{}", fenced("", issue)));
        Ok(format!(
            "Find out what is wrong with this PostgreSQL query and how to mend it.\n\n{query}\
             {issue}{database}\n\
             1. Call get_schema_info for the tables that it names: columns, types, keys, \
             indexes.\n\
             2. Call execute_explain for the plan. If that looks harmless, call it again with \
             analyze = true and buffers = true: it runs the query.\n\
             3. Compare estimated and actual rows; look for sequential scans of large tables, \
             joins that repeat, sorts on disk, conditions that no index can serve, implicit \
             casts.\n\
             4. If it fails, read the position and the hint of the error. If its answer is \
             wrong, check joins that multiply rows, NULL in comparisons, and time zones.\n\n\
             Then give me: the cause, with the lines of the plan that show it; the query \
             rewritten, if that helps; and what would have to change in the database (an index, \
             statistics), as SQL that I run myself.\n",
            issue = issue.unwrap_or_default()
        ))
    }
}

impl Prompt<Principal> for DiagnoseQueryIssue {
    fn descriptor(&self) -> PromptDescriptor {
        PromptDescriptor {
            name: Self::NAME,
            title: "Diagnose a query",
            description: "Find out why a query is slow, fails, or answers wrongly, and how to \
                mend it."
                .into(),
            arguments: vec![QUERY, ISSUE, DATABASE],
            icons: Vec::new(),
        }
    }

    fn get<'a>(
        &'a self,
        call: PromptCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<PromptResult, Failure>> {
        Box::pin(async move { asked(self.text(&call)?) })
    }

    fn complete<'a>(
        &'a self,
        call: CompletionCall<'a, Principal>,
    ) -> BoxFuture<'a, Result<Completion, Failure>> {
        Box::pin(suggest(&self.catalog, call, &[QUERY, ISSUE, DATABASE]))
    }
}
