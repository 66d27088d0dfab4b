//! What a turn costs beside the way that it replaces: the Claude CLI with Bash and all its built-in tools, started in the
//! server's place. Both talk to the same scripted endpoint on the loopback, so that no model's time is in any figure.

use crate::measure::{Samples, resident_mib};
use crate::scripted_model::{Act, ScriptedModel};
use crate::server::{Folder, quiet_fleet};
use crate::table::Table;
use anyhow::{Context as _, Result, bail};
use breakglass_e2e::public::Public;
use breakglass_e2e::server::{self, Server};
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ROUNDS: usize = 7;
const PATIENCE: Duration = Duration::from_secs(60);
const QUESTION: &str = "What is wrong with devvm?";

/// The endpoint, when it saw the answer of the first tool, and how it goes on then.
struct Stand {
    model: ScriptedModel,
    answered: Arc<Mutex<Option<Instant>>>,
    /// Whether it is silent from then on, so that a turn is still running while its memory is counted.
    holds: Arc<AtomicBool>,
}

impl Stand {
    fn new(tool: &'static str, arguments: &'static str) -> Self {
        let answered: Arc<Mutex<Option<Instant>>> = Arc::default();
        let holds: Arc<AtomicBool> = Arc::default();
        let (seen, held) = (Arc::clone(&answered), Arc::clone(&holds));
        let model = ScriptedModel::playing(move |body| {
            let text = String::from_utf8_lossy(body);
            // Later questions to the same program bring what came before: the newest message decides.
            let newest = text.rfind(QUESTION).map_or("", |at| text.get(at..).unwrap_or_default());
            if newest.contains("tool_result") || newest.contains("\"role\":\"tool\"") {
                *seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
                return if held.load(Ordering::Relaxed) {
                    Act::Silence
                } else {
                    Act::Say("That is all.", vec![])
                };
            }
            Act::Say("I look.", vec![(tool, arguments.to_owned())])
        });
        Self { model, answered, holds }
    }

    /// Waits until the first tool's answer was seen; gives when.
    fn tool_answered(&self) -> Result<Instant> {
        let begun = Instant::now();
        loop {
            let seen = self.answered.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(seen) = seen {
                return Ok(seen);
            }
            if begun.elapsed() > PATIENCE {
                let requests = self.model.requests().len();
                bail!("no tool was called: {requests} requests came");
            }
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// The size of the first request of all in KiB.
    fn request_kib(&self) -> Result<f64> {
        let requests = self.model.requests();
        let (_, body) = requests.first().context("no request came")?;
        Ok(f64::from(u32::try_from(body.len())?) / 1024.0)
    }
}

/// All rows about agents.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let Some(cli) = std::env::var_os("BREAKGLASS_CLAUDE").map(PathBuf::from).filter(|cli| cli.exists())
    else {
        let _ = writeln!(
            std::io::stderr(),
            "LEFT OUT: the Claude CLI is not here (BREAKGLASS_CLAUDE), and without it there is nothing beside which to stand"
        );
        return Ok(());
    };
    let binary = server::binary()?;
    let public = Public::new(&[(&binary, "breakglass"), (&cli, "claude")])?;
    let theirs = Bare::measure(&cli)?;
    let api = Turns::measure(&public, "api")?;
    let claude = Turns::measure(&public, "claude")?;
    for (ours, most, soonest) in [(&api, 0.15, 0.2), (&claude, 0.25, 1.25)] {
        let name = ours.engine;
        table.ratio(
            &format!("first request of a turn with `{name}`"),
            &format!("{:.1} KiB", ours.request),
            &format!("the CLI with all its tools: {:.1} KiB", theirs.request),
            ours.request / theirs.request,
            most,
        );
        table.ratio(
            &format!("question to the first tool's answer, `{name}`"),
            &ours.first_tool.words(),
            &format!("the CLI with Bash: {}", theirs.first_tool.words()),
            ours.first_tool.ratio(&theirs.first_tool),
            soonest,
        );
    }
    let beside = format!(
        "with all that it starts: {:.0} MiB; the CLI with all its tools alone: {:.0} MiB",
        api.tree, theirs.tree
    );
    table.at_most("server: resident while a turn with `api` runs", api.server, "MiB", &beside, 40.0);
    let beside = format!(
        "with all that it starts: {:.0} MiB; the CLI with all its tools alone: {:.0} MiB",
        claude.tree, theirs.tree
    );
    table.at_most("server: resident while a turn with `claude` runs", claude.server, "MiB", &beside, 40.0);
    Ok(())
}

/// The way before this: the program itself, with whatever it brings.
struct Bare {
    request: f64,
    first_tool: Samples,
    tree: f64,
}

impl Bare {
    fn measure(cli: &Path) -> Result<Self> {
        let stand = Stand::new("Bash", r#"{"command":"echo seen","description":"looks"}"#);
        let home = Folder::named("cli")?;
        let mut first_tool = Samples::default();
        for round in 0..=ROUNDS {
            let begun = Instant::now();
            let mut running = Self::start(cli, &stand, &home.0)?;
            let took = stand.tool_answered()?.saturating_duration_since(begun);
            // The first one reads 250 MB from the disk.
            if round > 0 {
                first_tool.push(took);
            }
            running.wait()?;
        }
        stand.holds.store(true, Ordering::Relaxed);
        let mut running = Self::start(cli, &stand, &home.0)?;
        stand.tool_answered()?;
        let tree = tree_mib(running.id())?;
        running.kill()?;
        running.wait()?;
        Ok(Self { request: stand.request_kib()?, first_tool, tree })
    }

    fn start(cli: &Path, stand: &Stand, home: &Path) -> Result<Child> {
        let mut command = Command::new(cli);
        command
            .args([
                "-p",
                "--output-format",
                "stream-json",
                "--verbose",
                "--allowedTools",
                "Bash",
                "--",
                QUESTION,
            ])
            .env_clear()
            .env("HOME", home)
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("SHELL", "/bin/bash")
            .env("ANTHROPIC_BASE_URL", stand.model.url())
            .env("ANTHROPIC_API_KEY", "for-the-bench")
            .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
            .current_dir(home)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(command.spawn()?)
    }
}

/// Turns of one engine through the built server.
struct Turns {
    engine: &'static str,
    request: f64,
    first_tool: Samples,
    server: f64,
    tree: f64,
}

impl Turns {
    fn measure(public: &Public, engine: &'static str) -> Result<Self> {
        let tool = if engine == "claude" { "mcp__breakglass__hosts" } else { "hosts" };
        let stand = Stand::new(tool, "{}");
        let folder = Folder::named(engine)?;
        let state = folder.0.join("state");
        let agent = match engine {
            "claude" => format!(
                "[agent.claude]\nprogram = {:?}\nendpoint = \"{}\"\n",
                public.path("claude"),
                stand.model.url()
            ),
            _ => format!(
                "[agent.api]\ndialect = \"anthropic\"\nendpoint = \"{}\"\nmodel = \"scripted\"\n",
                stand.model.url()
            ),
        };
        let fleet = format!("{}\n[agent]\nkinds = [\"{engine}\"]\n{agent}", quiet_fleet(&state));
        let server = Server::start_program(public.path("breakglass"), &folder.0, &state, &fleet)?;
        let mut first_tool = Samples::default();
        for round in 0..=ROUNDS {
            let (took, incident) = turn(&server, &stand)?;
            if round > 0 {
                first_tool.push(took);
            }
            ended(&server, incident)?;
        }
        stand.holds.store(true, Ordering::Relaxed);
        turn(&server, &stand)?;
        let pid = server.pid().context("a running server")?;
        let (own, tree) = (resident_mib(pid)?, tree_mib(pid)?);
        Ok(Self { engine, request: stand.request_kib()?, first_tool, server: own, tree })
    }
}

/// One question in an incident of its own, whose triage is young; how long it took to the first tool's answer.
fn turn(server: &Server, stand: &Stand) -> Result<(Duration, u64)> {
    let opened =
        server.send("/api/v1/incidents", &json!({ "target": "devvm", "reason": "bench" }))?.json()?;
    let incident =
        opened.get("incident").and_then(Value::as_u64).with_context(|| format!("no incident: {opened}"))?;
    server.send("/api/v1/targets/devvm/triage", &json!({}))?;
    let begun = Instant::now();
    let started = server.send(&format!("/api/v1/incidents/{incident}/turns"), &json!({ "ask": QUESTION }))?;
    anyhow::ensure!(started.status == 202, "{}", started.body);
    let took = stand.tool_answered().with_context(|| server.log())?.saturating_duration_since(begun);
    Ok((took, incident))
}

/// Waits for the turn's end, and closes its incident.
fn ended(server: &Server, incident: u64) -> Result<()> {
    let begun = Instant::now();
    while !server.read(&format!("/incidents/{incident}/export/json"))?.body.contains("turn-ended") {
        anyhow::ensure!(begun.elapsed() < PATIENCE, "the turn does not end: {}", server.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    server.send(&format!("/api/v1/incidents/{incident}/close"), &json!({ "reason": "bench" }))?;
    Ok(())
}

/// Resident memory of a process and all that it started, in MiB. What they share is counted for each.
fn tree_mib(root: u32) -> Result<f64> {
    let mut parents = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent =
            stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse::<u32>().ok());
        parents.extend(parent.map(|parent| (pid, parent)));
    }
    let mut family = vec![root];
    let mut at = 0;
    while let Some(of) = family.get(at).copied() {
        family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
        at += 1;
    }
    Ok(family.into_iter().filter_map(|pid| resident_mib(pid).ok()).sum())
}
