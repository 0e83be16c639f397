//! Who is let in: holders of tokens, or everybody.

use std::future::pending;
use std::path::Path;
use std::sync::Arc;

use mcp_auth::{Auth, Authenticate, OpenDoor};
use mcp_identity::SystemClock;
use mcp_protocol::BoxFuture;
use mcp_store_file::TokenFile;

/// The judge of who is let in.
pub(crate) struct Door {
    pub(crate) judge: Arc<dyn Authenticate>,
    /// Keeps the judge informed while it is polled; ends only if that fails.
    pub(crate) keeping: BoxFuture<'static, ()>,
}

impl Door {
    /// Lets in who has a token of that file; everybody if there is no file.
    pub(crate) async fn open(
        token_file: Option<&Path>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let Some(path) = token_file else {
            let judge = Arc::new(OpenDoor::let_everybody_in());
            return Ok(Self { judge, keeping: Box::pin(pending()) });
        };
        let store = Arc::new(TokenFile::open(path));
        let watch = store.watch()?;
        let (auth, keeper) = Auth::open(store, Arc::new(SystemClock)).await?;
        let keeping = async {
            // Either is worth nothing without the other.
            tokio::select! {
                () = watch.run(pending()) => {}
                () = keeper.run(pending()) => {}
            }
        };
        Ok(Self { judge: Arc::new(auth), keeping: Box::pin(keeping) })
    }
}
