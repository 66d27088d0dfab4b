//! A turn's tools as an MCP server sees them: typed, annotated, and passed on as they come.
//!
//! Everything that limits a call is behind [`Tools::call`]; here is only the protocol.

mod socket;

pub(crate) use socket::TurnSocket;

use breakglass_recovery::turn::{ToolAnswer, ToolSpec, Tools};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool, ToolAnnotations,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// What the server calls itself; agents see its tools as `mcp__breakglass__NAME`.
pub(crate) const SERVER: &str = "breakglass";
/// Where the Claude CLI says which call of its stream a request belongs to.
const CALL_ID: &str = "claudecode/toolUseId";
/// How long a call waits until the stream has told of it, so that what was said before it is read first.
const STREAM_LAG: Duration = Duration::from_secs(1);

/// The calls that an engine's own stream has told of.
pub(crate) type Told = watch::Receiver<HashSet<String>>;

/// The server of one turn.
#[derive(Clone)]
pub(crate) struct TurnServer {
    tools: Arc<dyn Tools>,
    told: Option<Told>,
}

impl TurnServer {
    pub(crate) fn new(tools: Arc<dyn Tools>, told: Option<Told>) -> Self {
        Self { tools, told }
    }
}

/// How a server of ours names itself, with what it can.
pub(crate) fn introduced(can: ServerCapabilities) -> ServerConfig {
    let mut info = ServerConfig::new(can);
    info.server_info = Implementation::new(SERVER, env!("CARGO_PKG_VERSION"));
    info
}

/// All tools in the protocol's words; they fit into one page.
pub(crate) fn listed(tools: Vec<ToolSpec>) -> ListToolsResult {
    ListToolsResult::with_all_items(tools.into_iter().map(tool).collect())
}

/// A tool in the protocol's words.
fn tool(spec: ToolSpec) -> Tool {
    let schema = match spec.schema {
        Value::Object(schema) => schema,
        _ => serde_json::Map::new(),
    };
    let mut annotations = ToolAnnotations::new();
    annotations.read_only_hint = Some(spec.read_only);
    annotations.destructive_hint = Some(spec.destructive);
    annotations.open_world_hint = Some(false);
    Tool::new(spec.name, spec.description, schema).with_annotations(annotations)
}

impl ServerHandler for TurnServer {
    fn get_info(&self) -> ServerConfig {
        introduced(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(listed(self.tools.list()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        if let (Some(told), Some(id)) = (&self.told, context.meta.get(CALL_ID).and_then(Value::as_str)) {
            let mut told = told.clone();
            let _ = tokio::time::timeout(STREAM_LAG, told.wait_for(|told| told.contains(id))).await;
        }
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let answer = self.tools.call(request.name.into_owned(), arguments).await;
        Ok(answered(answer))
    }
}

/// An answer in the protocol's words. A refusal is no error of the protocol: the model has to read it.
pub(crate) fn answered(answer: ToolAnswer) -> CallToolResponse {
    let content = vec![ContentBlock::text(answer.text)];
    let result =
        if answer.is_error { CallToolResult::error(content) } else { CallToolResult::success(content) };
    result.into()
}
