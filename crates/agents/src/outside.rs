//! The MCP server for agents that no turn runs: `breakglass mcp` on an agent's standard input and output.
//!
//! It decides nothing. A call goes to the running server, whose gate passes it; where none answers, a look goes to the doors
//! themselves, through the same gate in this process. What a client sends is bounded by the transport (16 MiB a line) and by
//! the gate (48 KiB of arguments).

mod remote;
mod texts;
mod trust;

pub use remote::{BadServer, Remote};
pub use texts::{SKILL, SKILL_VERSION};
pub use trust::{Fingerprint, Trust};

use crate::mcp::{answered, introduced, listed};
use breakglass_recovery::turn::{ToolAnswer, ToolSpec};
use futures_util::future::BoxFuture;
use remote::Unreached;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ListToolsResult, PaginatedRequestParams,
    ProgressNotificationParam, ServerCapabilities, ServerConfig,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, ServiceExt as _};
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Arguments beyond this are refused here, before they are sent anywhere; the gate's own limit is lower.
const LARGEST_ARGUMENTS: usize = 56 << 10;

/// One call, as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Calling {
    /// What the agent calls itself.
    pub agent: String,
    /// The tool.
    pub tool: String,
    /// Its arguments.
    pub arguments: Value,
}

/// The doors themselves, where no server answers: looks, and nothing else.
pub trait Direct: Send + Sync {
    /// The tools that there are, or a sentence that says why there are none.
    fn tools(&self) -> BoxFuture<'_, Result<Vec<ToolSpec>, String>>;

    /// One call. `gone` is cancelled when nobody waits for the answer any more.
    fn call(&self, calling: Calling, gone: CancellationToken) -> BoxFuture<'_, ToolAnswer>;

    /// The session is over: what is left to be written is written.
    fn end(&self) -> BoxFuture<'_, ()>;
}

/// What stands behind the tools.
pub struct Behind {
    /// The running server, where one is named and there is a token for it.
    pub remote: Option<Remote>,
    /// Why there is no server, where there is none: a sentence for the answers.
    pub no_remote: String,
    /// The doors, where this machine has a fleet file.
    pub direct: Option<Box<dyn Direct>>,
}

/// Serves on these two until the client is gone.
///
/// # Errors
/// A sentence, where the client did not speak the protocol.
pub async fn serve_outside<R, W>(behind: Behind, from: R, to: W) -> Result<(), String>
where
    R: tokio::io::AsyncRead + Send + Unpin + 'static,
    W: tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let behind = Arc::new(behind);
    let server = OutsideServer { behind: Arc::clone(&behind), offered: Arc::new(AtomicU8::new(NOTHING)) };
    let served = match server.serve((from, to)).await {
        Ok(running) => running.waiting().await.map(|_| ()).map_err(|error| error.to_string()),
        Err(error) => Err(format!(
            "the client said nothing that begins an MCP session ({error}); this is started by an agent, not by hand"
        )),
    };
    if let Some(direct) = &behind.direct {
        direct.end().await;
    }
    served
}

const NOTHING: u8 = 0;
const WHOLE: u8 = 1;
const LOOKS: u8 = 2;

#[derive(Clone)]
struct OutsideServer {
    behind: Arc<Behind>,
    /// What the client was told last of what there is, so that it hears of a change.
    offered: Arc<AtomicU8>,
}

impl OutsideServer {
    async fn tools(&self) -> Vec<ToolSpec> {
        let why = match &self.behind.remote {
            None => self.behind.no_remote.clone(),
            Some(remote) => match remote.tools().await {
                Ok(tools) => {
                    self.offered.store(WHOLE, Ordering::Relaxed);
                    return tools;
                }
                Err(Unreached::NotThere(why) | Unreached::Refused(why) | Unreached::Lost(why)) => why,
            },
        };
        self.offered.store(LOOKS, Ordering::Relaxed);
        match &self.behind.direct {
            Some(direct) => direct.tools().await.unwrap_or_default(),
            None => vec![nothing(&why)],
        }
    }

    async fn call(
        &self,
        calling: Calling,
        gone: CancellationToken,
        beats: mpsc::Sender<()>,
    ) -> (ToolAnswer, u8) {
        let Calling { agent, tool, arguments } = &calling;
        let why = match &self.behind.remote {
            None => self.behind.no_remote.clone(),
            Some(remote) => match remote.call(agent, tool, arguments, &beats).await {
                Ok(answer) => return (answer, WHOLE),
                Err(Unreached::NotThere(why)) => why,
                Err(Unreached::Refused(why)) => return (error(format!("{why} Nothing was done.")), WHOLE),
                Err(Unreached::Lost(why)) => {
                    let text = format!(
                        "{why} The call was sent, and its answer did not come: it may have been carried out, and what had \
                         begun goes on. Nothing is sent twice by itself. Look (diag, triage, power status) before you \
                         repeat it; its end stands in the journal."
                    );
                    return (error(text), WHOLE);
                }
            },
        };
        let Some(direct) = self.behind.direct.as_ref().filter(|_| calling.tool == "diag") else {
            let looks = if self.behind.direct.is_some() {
                "diag still works, straight to the hosts."
            } else {
                "Nor has this machine a fleet file, so diag does not work either."
            };
            let text = format!(
                "Refused (no-server): {why} Nothing was done. {looks} The rest needs the server: it comes back by itself when \
                 it runs again, and a person has the command line meanwhile."
            );
            return (error(text), LOOKS);
        };
        let answer = direct.call(calling, gone).await;
        let text =
            format!("[{why} This look went straight to the host; it is kept in the spool.]\n{}", answer.text);
        (ToolAnswer { text, ..answer }, LOOKS)
    }
}

/// The one tool where there is none: a list without any would tell nobody what to mend.
fn nothing(why: &str) -> ToolSpec {
    ToolSpec {
        name: "hosts".to_owned(),
        description: format!("Lists the machines of the fleet. Not now: {why} Tell a person this sentence."),
        schema: serde_json::json!({ "type": "object", "properties": {}, "additionalProperties": false }),
        read_only: true,
        destructive: false,
    }
}

fn error(text: String) -> ToolAnswer {
    ToolAnswer { text, is_error: true }
}

impl ServerHandler for OutsideServer {
    fn get_info(&self) -> ServerConfig {
        let can = ServerCapabilities::builder().enable_tools().enable_tool_list_changed().build();
        let mut info = introduced(can);
        info.instructions = Some(texts::INSTRUCTIONS.to_owned());
        info
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(listed(self.tools().await))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        // Newer clients name themselves in each call instead of once at the beginning.
        let agent = context
            .client_info()
            .map_or_else(String::new, |client| format!("{} {}", client.name, client.version));
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let tool = request.name.into_owned();
        if tool.len() + arguments.to_string().len() > LARGEST_ARGUMENTS {
            let text = "Refused (too-large): the arguments are larger than any tool takes. Nothing was sent, nothing was done. \
                        Send a short command; a file has no place in an argument.";
            return Ok(answered(error(text.to_owned())));
        }
        // Dropped with this future: the client cancelled, or went away.
        let gone = CancellationToken::new();
        let _gone = gone.clone().drop_guard();
        let (beats, mut heard) = mpsc::channel(1);
        let call = self.call(Calling { agent, tool, arguments }, gone, beats);
        tokio::pin!(call);
        let mut told = 0.0;
        let (answer, now) = loop {
            tokio::select! {
                answer = &mut call => break answer,
                () = context.ct.cancelled() => {
                    let text = "Cancelled. A question to a person is withdrawn; what had begun on a machine goes on.";
                    return Ok(answered(error(text.to_owned())));
                }
                Some(()) = heard.recv() => {
                    told += 1.0;
                    if let Some(token) = context.meta.get_progress_token() {
                        let message = "still going on, or waiting for a person on the incident's page";
                        let progress = ProgressNotificationParam::new(token, told).with_message(message);
                        let _ = context.peer.notify_progress(progress).await;
                    }
                }
            }
        };
        let before = self.offered.swap(now, Ordering::Relaxed);
        if before != now && before != NOTHING {
            let _ = context.peer.notify_tool_list_changed().await;
        }
        Ok(answered(answer))
    }
}
