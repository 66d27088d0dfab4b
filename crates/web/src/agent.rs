//! What outside agents reach, and all of it: which tools there are, and one call of one.
//!
//! A call may wait for a person for minutes. Its answer is therefore lines of JSON: `{"waits":…}` now and then, so that no
//! proxy takes the silence for an end, then one `{"answer":…}`. When the client goes away, a question that still stands is
//! withdrawn.

use crate::answers::{AgentTool, AgentTools, CallAnswer, CallLine};
use crate::app::App;
use crate::extract::Said;
use crate::identity::Visitor;
use crate::problem::ApiProblem;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use breakglass_incident::{Actor, OutsideAgent};
use breakglass_recovery::turn::{Reach, ToolAnswer, call_outside, outside_tools};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How often a client that waits hears that it still does.
const BEAT: Duration = Duration::from_secs(5);

/// `GET /api/v1/agent/tools`
pub(crate) async fn tools(State(app): State<App>) -> Response {
    let tools = outside_tools(&app.desk.fleet, Reach::Granted);
    let tools = tools.into_iter().map(|tool| AgentTool {
        name: tool.name,
        description: tool.description,
        schema: tool.schema,
        read_only: tool.read_only,
        destructive: tool.destructive,
    });
    Json(AgentTools { fleet: app.desk.fleet.name.clone(), tools: tools.collect() }).into_response()
}

/// One call.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallBody {
    /// As the agent calls itself.
    #[serde(default)]
    agent: String,
    tool: String,
    #[serde(default)]
    arguments: Value,
}

/// `POST /api/v1/agent/calls`
pub(crate) async fn call(
    State(app): State<App>,
    Extension(visitor): Extension<Visitor>,
    Said(said): Said<CallBody>,
) -> Result<Response, ApiProblem> {
    let by = match &visitor.actor {
        Actor::Token(name) => format!("token {name}"),
        other => other.to_string(),
    };
    let who = OutsideAgent::new(&said.agent, by);
    let gone = CancellationToken::new();
    let call = {
        let (desk, gone) = (app.desk.clone(), gone.clone());
        tokio::spawn(async move {
            call_outside(&desk, who, Reach::Granted, said.tool, said.arguments, gone).await
        })
    };
    let waiting = Waiting { call: Some(call), stop: app.stop.clone(), _gone: gone.drop_guard() };
    let lines = stream::unfold(waiting, |mut waiting| async move {
        let line = serde_json::to_string(&waiting.line().await?).unwrap_or_default();
        Some((Ok::<_, Infallible>(Bytes::from(line + "\n")), waiting))
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// A call and its client; when the client goes, so does the guard.
struct Waiting {
    call: Option<JoinHandle<ToolAnswer>>,
    stop: CancellationToken,
    _gone: DropGuard,
}

impl Waiting {
    /// The next line; none after the answer.
    async fn line(&mut self) -> Option<CallLine> {
        let call = self.call.as_mut()?;
        tokio::select! {
            answer = call => {
                self.call = None;
                let answer = answer.unwrap_or_else(|_| ToolAnswer {
                    text: "The server failed at this call. Look before you repeat it.".to_owned(),
                    is_error: true,
                });
                Some(CallLine::Answer(CallAnswer { text: answer.text, is_error: answer.is_error }))
            }
            // The server goes down: the line ends without an answer, which the client tells as it is.
            () = self.stop.cancelled() => None,
            () = tokio::time::sleep(BEAT) => Some(CallLine::Waits(true)),
        }
    }
}
