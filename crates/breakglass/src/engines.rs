//! The engines that `[agent]` names, and the two processes of ours that an agent's turn is made of.

use anyhow::Context as _;
use breakglass_agents::{AgentUser, ApiEngine, ClaudeConfig, ClaudeEngine, Endpoint, KeySource, prompt};
use breakglass_fleet::{AgentKind, Api, Claude, Fleet};
use breakglass_recovery::turn::{Engine, Engines, Says, Tools, TurnBrief, TurnEnd};
use futures_util::future::BoxFuture;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Where Anthropic answers.
const ANTHROPIC: &str = "https://api.anthropic.com";

/// Becomes the bridge, or the process that shuts itself in, when that is what the command line of a turn asks for:
/// before any thread, runtime or parser.
pub(crate) fn main_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next()?.to_str()? {
        "mcp-bridge" => Some(breakglass_agents::bridge_main(arguments)),
        "agent-enclosure" => Some(breakglass_agents::enclosure_main(arguments)),
        _ => None,
    }
}

/// The engines in the fleet's order, and what their agents are told. One that cannot be made says why when it is asked
/// whether it is ready: a server without an agent is still the way back in.
pub(crate) fn engines(fleet: &Fleet) -> Engines {
    let each = fleet.agent.kinds.iter().filter_map(|kind| match kind {
        AgentKind::Claude => Some(made("claude", claude(fleet, &fleet.agent.claude))),
        AgentKind::Api => Some(made("api", api(fleet.agent.api.as_ref()?))),
    });
    Engines { list: each.collect(), prompt: prompt() }
}

fn made(name: &'static str, made: anyhow::Result<Arc<dyn Engine>>) -> Arc<dyn Engine> {
    made.unwrap_or_else(|error| Arc::new(Unmade { name, sentence: error.to_string() }))
}

/// An engine that the fleet file names and that cannot be made.
struct Unmade {
    name: &'static str,
    sentence: String,
}

impl Engine for Unmade {
    fn name(&self) -> &str {
        self.name
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async { Err(self.sentence.clone()) })
    }

    fn run(&self, _: TurnBrief, _: Arc<dyn Tools>, _: mpsc::Sender<Says>) -> BoxFuture<'_, TurnEnd> {
        Box::pin(async { TurnEnd::Failed { sentence: self.sentence.clone(), retry_other: true } })
    }
}

fn api(api: &Api) -> anyhow::Result<Arc<dyn Engine>> {
    let key = match (&api.key_file, &api.key_env) {
        (Some(file), _) => KeySource::File(file.clone()),
        (None, Some(name)) => KeySource::Variable(name.clone()),
        (None, None) => KeySource::None,
    };
    let dialect = match api.dialect {
        breakglass_fleet::Dialect::Anthropic => breakglass_agents::Dialect::Anthropic,
        breakglass_fleet::Dialect::OpenAi => breakglass_agents::Dialect::OpenAi,
    };
    Ok(Arc::new(ApiEngine::new("api", Endpoint::new(&api.endpoint, dialect, &api.model, key)?)))
}

fn claude(fleet: &Fleet, claude: &Claude) -> anyhow::Result<Arc<dyn Engine>> {
    let key = claude.key_file.clone().map_or(KeySource::None, KeySource::File);
    let model = claude.model.as_deref().unwrap_or_default();
    let address = claude.endpoint.as_deref().unwrap_or(ANTHROPIC);
    let config = ClaudeConfig {
        program: PathBuf::from(&claude.program),
        breakglass: std::env::current_exe().context("this program does not find itself")?,
        endpoint: Endpoint::new(address, breakglass_agents::Dialect::Anthropic, model, key)?,
        user: AgentUser::of(claude.user.as_deref())?,
        secret: secret(fleet),
    };
    Ok(Arc::new(ClaudeEngine::new("claude", config)))
}

/// What no agent may reach.
fn secret(fleet: &Fleet) -> Vec<PathBuf> {
    let mut secret: Vec<PathBuf> =
        crate::here::keys(fleet, |_| true).into_iter().map(|(_, file)| file).collect();
    secret.push(fleet.state.clone());
    secret.extend(fleet.web.password_file.clone());
    secret.extend(fleet.notify.secret_files());
    secret.extend(fleet.agent.claude.key_file.clone());
    secret.extend(fleet.agent.api.as_ref().and_then(|api| api.key_file.clone()));
    secret
}
