//! The doors themselves, where no server answers: looks through the one gate, in this process, kept in the spool.

use crate::here::{Here, actor};
use breakglass_agents::{Calling, Direct};
use breakglass_fleet::{DoorKind, Fleet};
use breakglass_incident::OutsideAgent;
use breakglass_recovery::turn::{Reach, ToolAnswer, ToolSpec, call_outside, outside_tools};
use futures_util::future::BoxFuture;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// Set up when they are first needed: a machine whose server answers starts no keyholder.
pub(super) struct Doors {
    fleet: Fleet,
    here: Mutex<Option<Here>>,
}

impl Doors {
    pub(super) fn new(fleet: Fleet) -> Self {
        Self { fleet, here: Mutex::new(None) }
    }

    /// The desk. Only the keys of diag doors are loaded: nothing else could be opened even by mistake.
    async fn desk(&self) -> Result<breakglass_recovery::Desk, String> {
        let mut here = self.here.lock().await;
        if let Some(here) = &*here {
            return Ok(here.desk.clone());
        }
        let set_up = Here::set_up_for(self.fleet.clone(), |door| door.kind == DoorKind::Diag).await;
        let new = set_up.map_err(|error| format!("{error:#}"))?;
        Ok(here.insert(new).desk.clone())
    }
}

impl Direct for Doors {
    fn tools(&self) -> BoxFuture<'_, Result<Vec<ToolSpec>, String>> {
        Box::pin(async { Ok(outside_tools(&self.fleet, Reach::LooksOnly)) })
    }

    fn call(&self, calling: Calling, gone: CancellationToken) -> BoxFuture<'_, ToolAnswer> {
        Box::pin(async move {
            let desk = match self.desk().await {
                Ok(desk) => desk,
                Err(why) => {
                    let text =
                        format!("The doors cannot be opened from this machine: {why}. Nothing was sent.");
                    return ToolAnswer { text, is_error: true };
                }
            };
            let Calling { agent, tool, arguments } = calling;
            let who = OutsideAgent::new(&agent, actor().to_string());
            call_outside(&desk, who, Reach::LooksOnly, tool, arguments, gone).await
        })
    }

    fn end(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {
            if let Some(here) = self.here.lock().await.take() {
                here.end().await;
            }
        })
    }
}
