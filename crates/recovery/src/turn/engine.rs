//! The seam between a turn and whatever runs a model: what an engine is given, what it may ask for, what it tells.
//!
//! Crate `agents` implements [`Engine`]; the turn implements [`Tools`]. Nothing that limits an agent lives on the
//! engine's side of this seam: policy, budgets, journal, redaction and the bound on sizes are all behind [`Tools::call`], so
//! an engine that is fooled, or replaced, can do no more than any other. An Agent Client Protocol agent would be one
//! more [`Engine`].

use breakglass_incident::{IncidentId, TurnId};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One way to run a model.
pub trait Engine: Send + Sync {
    /// As the fleet file calls it: `claude`, `api`.
    fn name(&self) -> &str;

    /// Whether it can start, found out cheaply; a sentence that says why not and what to do.
    fn ready(&self) -> BoxFuture<'_, Result<(), String>>;

    /// Runs one turn to its end.
    ///
    /// It must end within a second of `brief.stop` being cancelled, and leave no process that belongs to the turn. A call
    /// of a tool goes through `tools` and nowhere else. Text that precedes a call must have been sent to `says` before the
    /// call is made, where the engine can tell.
    fn run(
        &self,
        brief: TurnBrief,
        tools: Arc<dyn Tools>,
        says: mpsc::Sender<Says>,
    ) -> BoxFuture<'_, TurnEnd>;
}

/// What an engine is told of a turn.
#[derive(Debug, Clone)]
pub struct TurnBrief {
    /// The turn.
    pub turn: TurnId,
    /// The incident that it belongs to. An engine may keep a process or a conversation for the next turn of the same one.
    pub incident: IncidentId,
    /// The component that is to be recovered.
    pub target: String,
    /// The system text: role, rules, doors, the titles of the runbooks. The same for every turn of an incident.
    pub system: String,
    /// What was measured just before the turn: triage, and what happened since the last turn. Goes before `ask`, in one
    /// message of the user; it quotes machines, and says so.
    pub situation: String,
    /// Earlier turns of this incident, oldest first, trimmed. Of no use to an engine that still has the conversation.
    pub history: Vec<Told>,
    /// What the person asked for.
    pub ask: String,
    /// For so long the turn may run. The turn cancels `stop` then; an engine may use it for its own timeouts.
    pub wall_clock: Duration,
    /// Cancelled when the turn is to end now.
    pub stop: CancellationToken,
}

impl TurnBrief {
    /// The user's message: the situation, then what was asked.
    #[must_use]
    pub fn message(&self) -> String {
        format!("{}\n\n{}", self.situation, self.ask)
    }
}

/// One thing of an earlier turn.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// A person asked.
    Asked(String),
    /// The agent said.
    Said(String),
    /// The agent called a tool and was answered.
    Called {
        /// Which one.
        tool: String,
        /// With what.
        arguments: Value,
        /// What it was answered, trimmed.
        answer: String,
        /// Whether that was a refusal or a failure.
        is_error: bool,
    },
}

/// What an engine tells while it runs. Calls are not told: the turn sees them through [`Tools`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Says {
    /// A piece of text, as it comes.
    Text(String),
    /// A message, whole: what the pieces since the last one add up to.
    TextDone(String),
    /// Something about the engine itself that a person should read, such as that it tries the endpoint again.
    Note(String),
    /// What the model's endpoint counted, in tokens, for one request.
    Used {
        /// What went in.
        input: u64,
        /// What came out.
        output: u64,
    },
}

/// How a turn ended, as its engine tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TurnEnd {
    /// The agent came to its end.
    Finished {
        /// Its last message, which was told as [`Says::TextDone`] too.
        said: String,
    },
    /// The engine could not go on.
    Failed {
        /// What happened and what to do, in a sentence.
        sentence: String,
        /// Whether another engine may fare better: not, say, where the request itself was refused as malformed.
        retry_other: bool,
    },
    /// `stop` was cancelled.
    Stopped,
    /// The wall clock ran out.
    OutOfTime,
}

/// What an agent may ask for. Every limit is inside.
pub trait Tools: Send + Sync {
    /// The tools of this turn.
    fn list(&self) -> Vec<ToolSpec>;

    /// Calls one. `arguments` are whatever the model wrote; they are judged inside. A refusal is an answer with
    /// `is_error`, never a panic or an endless wait: each call has a deadline. Dropping the future does not undo a call.
    fn call(&self, name: String, arguments: Value) -> BoxFuture<'_, ToolAnswer>;
}

/// One tool as a model sees it. The fields are those of an MCP tool.
#[derive(Debug, Clone, PartialEq)]
pub struct ToolSpec {
    /// Its name, such as `diag`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// The JSON schema of its arguments.
    pub schema: Value,
    /// Whether it changes nothing (MCP `readOnlyHint`).
    pub read_only: bool,
    /// Whether what it changes may destroy something (MCP `destructiveHint`).
    pub destructive: bool,
}

/// What a model is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolAnswer {
    /// Redacted, bounded, with what came from a machine marked as untrusted.
    pub text: String,
    /// Whether it is a refusal or a failure; the text then says what to do instead.
    pub is_error: bool,
}

/// The engines that this server has, in the configured order, and what their agents are told.
#[derive(Clone, Default)]
pub struct Engines {
    /// Tried in this order.
    pub list: Vec<Arc<dyn Engine>>,
    /// The text that every turn starts from.
    pub prompt: Prompt,
}

/// Our own words to an agent, before anything about this fleet or this incident.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Prompt {
    /// Which text it is, such as `2026-11-1`; kept in the journal with each turn.
    pub version: String,
    /// The text.
    pub text: String,
}

impl std::fmt::Debug for Engines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.list.iter().map(|engine| engine.name()).collect();
        f.debug_struct("Engines").field("list", &names).field("prompt", &self.prompt.version).finish()
    }
}
