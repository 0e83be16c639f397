//! `design-schema`: tables for something new, beside those that there are.

use mcp_identity::Principal;
use mcp_protocol::{
    BoxFuture, Completion, CompletionCall, Failure, Prompt, PromptArgument, PromptCall,
    PromptDescriptor, PromptResult,
};

use crate::catalog::Catalog;
use crate::prompt::{DATABASE, SCHEMA, asked, fenced, filled, on_database, suggest};

/// Designs tables.
pub(crate) struct DesignSchema {
    catalog: Catalog,
}

const REQUIREMENTS: PromptArgument = PromptArgument {
    name: "requirements",
    title: "Requirements",
    description: "What is to be stored, and what will be asked of it",
    required: true,
};

impl DesignSchema {
    pub(crate) const NAME: &'static str = "design-schema";

    pub(crate) fn new(catalog: Catalog) -> Self {
        Self { catalog }
    }

    fn text(&self, call: &PromptCall<'_, Principal>) -> Result<String, Failure> {
        let database = on_database(&self.catalog, call.principal, call.arguments)?;
        let requirements = filled(call.arguments, REQUIREMENTS.name).unwrap_or_default();
        let requirements = fenced("", requirements);
        let part = filled(call.arguments, SCHEMA.name).map(|schema| {
            format!("\nThe tables belong into the schema of this name:\n{}", fenced("", schema))
        });
        Ok(format!(
            "Design PostgreSQL tables for this:\n\n{requirements}{part}{database}\n\
             1. Call get_schema_info to learn what there is already: names, types and keys that \
             the new tables should follow or refer to.\n\
             2. Ask me where the requirements leave a choice that changes the tables.\n\
             3. Prefer plain types, NOT NULL, keys and checks to conventions; name foreign keys' \
             actions; index what the questions need and nothing else.\n\n\
             Then give me: the DDL as one script in the order in which it runs, with comments on \
             tables and columns; for each expected question its SQL and the index that serves \
             it; and what you decided against, in a sentence each. Do not run the DDL.\n",
            part = part.unwrap_or_default()
        ))
    }
}

impl Prompt<Principal> for DesignSchema {
    fn descriptor(&self) -> PromptDescriptor {
        PromptDescriptor {
            name: Self::NAME,
            title: "Design tables",
            description: "Design tables for something new, that fit those that there are.".into(),
            arguments: vec![REQUIREMENTS, SCHEMA, DATABASE],
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
        Box::pin(suggest(&self.catalog, call, &[REQUIREMENTS, SCHEMA, DATABASE]))
    }
}
