//! The engine `claude`: the Claude CLI with no tools but a turn's own, shut in, its key kept from it.
//!
//! It never judges a call and never asks a person: whatever it wants goes through the turn's tools. What it is told of
//! earlier turns is text in the first message, so that a process never outlives the turn that is answerable for it.

mod lines;
mod place;
mod process;
mod relay;
mod run;
mod stream;

use crate::endpoint::Endpoint;
use crate::http::Caller;
use crate::sandbox::{AgentUser, covers, walls};
use breakglass_recovery::turn::{Engine, Says, Tools, TurnBrief, TurnEnd};
use futures_util::future::BoxFuture;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc::Sender;

/// How the CLI is run.
#[derive(Debug, Clone)]
pub struct ClaudeConfig {
    /// The CLI: a name that is looked up in `PATH`, or an absolute path.
    pub program: PathBuf,
    /// The binary that shuts it in and is its bridge: ours.
    pub breakglass: PathBuf,
    /// The endpoint, which has to speak the dialect `Anthropic`. Its model may be empty: then it is the CLI's own choice.
    pub endpoint: Endpoint,
    /// Which user it becomes.
    pub user: AgentUser,
    /// What it must never reach: keys, state, the password file. Looked at before it is started.
    pub secret: Vec<PathBuf>,
}

/// The engine.
#[derive(Debug)]
pub struct ClaudeEngine {
    name: String,
    config: ClaudeConfig,
}

impl ClaudeEngine {
    /// An engine with the name that the fleet file gives it.
    #[must_use]
    pub fn new(name: impl Into<String>, config: ClaudeConfig) -> Self {
        Self { name: name.into(), config }
    }
}

impl Engine for ClaudeEngine {
    fn name(&self) -> &str {
        &self.name
    }

    fn ready(&self) -> BoxFuture<'_, Result<(), String>> {
        Box::pin(async {
            let config = self.config.clone();
            let looked = tokio::task::spawn_blocking(move || config.check().map(|_| ()));
            looked.await.unwrap_or_else(|_| Err("it could not be looked at".to_owned()))
        })
    }

    fn run(&self, brief: TurnBrief, tools: Arc<dyn Tools>, says: Sender<Says>) -> BoxFuture<'_, TurnEnd> {
        Box::pin(async move { run::run(&self.config, brief, tools, says).await })
    }
}

impl ClaudeConfig {
    /// Everything that can be known before a process is started; the CLI's real path.
    fn check(&self) -> Result<PathBuf, String> {
        let program = find(&self.program).ok_or_else(|| {
            format!(
                "{} is not installed here; install the Claude CLI, or put its path into [agent.claude] as `program`",
                self.program.display()
            )
        })?;
        let walls = walls();
        if !walls.files {
            return Err(
                "this machine's kernel has no Landlock, without which no agent is started; use `api`"
                    .to_owned(),
            );
        }
        if self.user == AgentUser::Servers && !walls.sockets {
            return Err(
                "the server is not root, so its agent would be the same user, and this kernel cannot keep that user's \
                 sockets from it (Landlock ABI 9 can); run the server as root, or use `api`"
                    .to_owned(),
            );
        }
        if self.user != AgentUser::Servers {
            for path in [&program, &self.breakglass] {
                if let Some(closed) = closed_to_others(path) {
                    return Err(format!(
                        "the agent's user cannot reach {}: {} is closed to it; install it where everybody may run it, \
                         such as /usr/local/bin",
                        path.display(),
                        closed.display()
                    ));
                }
            }
        }
        let granted = [program.clone(), self.breakglass.clone()];
        for secret in &self.secret {
            if let Some(open) = covers(&granted, secret) {
                return Err(format!(
                    "{} lies under {}, which every agent may read; move it",
                    secret.display(),
                    open.display()
                ));
            }
        }
        Caller::new(&self.endpoint)?;
        Ok(program)
    }
}

/// The program itself, behind all links: only that file is granted.
fn find(program: &Path) -> Option<PathBuf> {
    let runs = |path: &Path| {
        let meta = std::fs::metadata(path).ok()?;
        (meta.is_file() && meta.permissions().mode() & 0o111 != 0)
            .then(|| std::fs::canonicalize(path).ok())?
    };
    if program.is_absolute() {
        return runs(program);
    }
    std::env::split_paths(&std::env::var_os("PATH")?).find_map(|place| runs(&place.join(program)))
}

/// The first part of a path that others than its owner may not pass.
fn closed_to_others(path: &Path) -> Option<PathBuf> {
    let needs = |part: &Path| if part == path { 0o005 } else { 0o001 };
    let closed = path.ancestors().find(|part| {
        let mode = std::fs::metadata(part).map_or(0, |meta| meta.permissions().mode());
        mode & needs(part) != needs(part)
    });
    closed.map(Path::to_owned)
}
