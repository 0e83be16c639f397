//! Faults in words for the model.

use mcp_protocol::{Code, Failure, RpcError, ToolFailure};
use mcp_query::{Limits, QueryFault};

/// SQLSTATE of a statement that was cancelled; nothing else than its time does that here.
const CANCELLED: &str = "57014";

/// What a tool answers.
pub(crate) fn failure(fault: &QueryFault) -> ToolFailure {
    match fault {
        QueryFault::Gone => ToolFailure::Gone,
        other => ToolFailure::Told(other.told()),
    }
}

/// The same for a statement of the caller's own, with what one may take.
pub(crate) fn failure_within(fault: &QueryFault, limits: &Limits) -> ToolFailure {
    match fault {
        QueryFault::Database(error) | QueryFault::Undone(error)
            if error.sqlstate == CANCELLED && error.hint.is_none() =>
        {
            let (told, most) = (fault.told(), limits.statement_timeout);
            let hint = format!("a query may run for {most:?}; ask for less or use an index");
            ToolFailure::Told(format!("{told}\nHint: {hint}"))
        }
        other => failure(other),
    }
}

/// What a resource or a prompt answers: there is no model to tell, but whoever reads the error.
pub(crate) fn refused(fault: &QueryFault) -> Failure {
    match fault {
        QueryFault::Gone => Failure::Gone,
        QueryFault::UnknownDatabase => {
            Failure::Refused(RpcError::new(Code::InvalidParams, "Unknown database"))
        }
        other => {
            let told = other.told();
            let message = told.strip_prefix("Error: ").unwrap_or(&told).to_owned();
            Failure::Refused(RpcError::new(Code::InternalError, message))
        }
    }
}
