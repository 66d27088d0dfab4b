//! The engine `claude`: the real CLI where there is one, and programs in its place that misbehave.

use crate::scripted_model::{Act, ScriptedModel};
use crate::stand::{Happened, Outcome, brief, endpoint, run};
use breakglass_agents::{AgentUser, ClaudeConfig, ClaudeEngine, Dialect};
use breakglass_recovery::turn::{Engine as _, Says, TurnBrief, TurnEnd};
use serde_json::json;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A directory that another user can look into, with our binary and a program in it.
pub(crate) struct Bench {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) config: ClaudeConfig,
}

fn install(from: &Path, to: &Path) {
    // A link where that is possible: the CLI is 250 MB.
    if std::fs::hard_link(from, to).is_err() {
        std::fs::copy(from, to).unwrap();
    }
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o755)).unwrap();
}

impl Bench {
    pub(crate) fn new(model: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("breakglass-agents-").tempdir_in("/var/tmp").unwrap();
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let breakglass = directory.path().join("breakglass");
        install(Path::new(env!("CARGO_BIN_EXE_agents-testbed")), &breakglass);
        let config = ClaudeConfig {
            program: directory.path().join("claude"),
            breakglass,
            endpoint: endpoint(model, Dialect::Anthropic),
            user: AgentUser::of(None).unwrap(),
            secret: Vec::new(),
        };
        Self { directory, config }
    }

    pub(crate) fn program(self, script: &str) -> Self {
        let path = self.config.program.clone();
        let text = path.with_extension("text");
        std::fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
        // By a child: a fork of another test would hold open what this process writes, and it could not be started.
        assert!(std::process::Command::new("cp").arg(&text).arg(&path).status().unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    pub(crate) fn engine(&self) -> ClaudeEngine {
        ClaudeEngine::new("claude", self.config.clone())
    }

    pub(crate) async fn run(&self, brief: TurnBrief) -> Outcome {
        run(&self.engine(), brief).await
    }
}

const UP: &str = r#"echo '{"type":"system","subtype":"init","tools":["mcp__breakglass__diag"],"mcp_servers":[{"name":"breakglass","status":"connected"}]}'"#;
const RESULT: &str = r#"echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'"#;

/// The real CLI, where `cargo xtask test` could fetch it.
fn real() -> Option<PathBuf> {
    let path = std::env::var_os("BREAKGLASS_CLAUDE").map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("LEFT OUT: the Claude CLI is not here (BREAKGLASS_CLAUDE); `cargo xtask test` fetches it");
    }
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_cli_looks_repairs_and_reports() {
    let Some(cli) = real() else { return };
    let model = ScriptedModel::start(vec![
        Act::Say("I look first.", vec![("mcp__breakglass__diag", json!({"command": "df -h /"}).to_string())]),
        Act::Say(
            "Now I make room.",
            vec![("mcp__breakglass__repair", json!({"command": "rm x"}).to_string())],
        ),
        Act::Say("The disk has room again.", vec![]),
    ]);
    let bench = Bench::new(&model.url());
    install(&cli, &bench.config.program);
    bench.engine().ready().await.unwrap();
    let began = Instant::now();
    let outcome = bench.run(brief("make room")).await;
    assert_eq!(
        outcome.end,
        TurnEnd::Finished { said: "The disk has room again.".into() },
        "{:?}",
        outcome.log
    );
    assert_eq!(outcome.calls.len(), 2);
    assert_eq!(outcome.said(), ["I look first.", "Now I make room.", "The disk has room again."]);
    assert!(outcome.notes().contains("Landlock"), "{}", outcome.notes());
    let said = outcome.place(|h| *h == Happened::Said(Says::TextDone("I look first.".into()))).unwrap();
    let called = outcome.place(|h| matches!(h, Happened::Called(..))).unwrap();
    assert!(said < called, "{:?}", outcome.log);
    let requests = model.requests();
    let first = String::from_utf8_lossy(&requests[0].1).into_owned();
    assert!(
        first.contains("our rules") && first.contains("earlier answer") && !first.contains("\"Bash\""),
        "{first}"
    );
    eprintln!("claude: first request {} bytes, whole turn {:?}", first.len(), began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_real_cli_fails_in_bounded_time() {
    let Some(cli) = real() else { return };
    for (act, wanted) in [
        (Act::Status(500, "", "{}"), "a fault of its own (500)"),
        (Act::Status(401, "", "{}"), "refuses the key (401)"),
        (Act::Silence, "did not answer within"),
        (Act::Hang, "went silent"),
        (Act::Garbage, "broke off"),
    ] {
        let model = ScriptedModel::start(vec![act.clone()]);
        let bench = Bench::new(&model.url());
        install(&cli, &bench.config.program);
        let outcome = bench.run(brief("make room")).await;
        assert!(outcome.sentence().contains(wanted), "{act:?}: {} {:?}", outcome.sentence(), outcome.log);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_dies_at_once_says_why() {
    let bench = Bench::new("http://127.0.0.1:9").program("echo 'no such option: --bare' >&2; exit 3");
    let outcome = bench.run(brief("help")).await;
    let sentence = outcome.sentence();
    assert!(sentence.contains("exit status: 3") && sentence.contains("no such option: --bare"), "{sentence}");
    assert!(matches!(outcome.end, TurnEnd::Failed { retry_other: true, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_without_our_tools_or_with_others_is_not_let_go_on() {
    let script = UP.replace("connected", "failed");
    let outcome =
        Bench::new("http://127.0.0.1:9").program(&format!("{script}; sleep 60")).run(brief("help")).await;
    assert!(outcome.sentence().contains("could not connect to the turn's tools (failed)"));
    let script = UP.replace("mcp__breakglass__diag", "Bash");
    let outcome =
        Bench::new("http://127.0.0.1:9").program(&format!("{script}; sleep 60")).run(brief("help")).await;
    assert!(outcome.sentence().contains("tools that are not the turn's (Bash)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn floods_and_lines_of_any_length_hold_nobody_up() {
    let script = format!(
        "(head -c 30000000 /dev/zero | tr '\\0' e >&2) & {UP}; head -c 40000000 /dev/zero | tr '\\0' x; echo; wait; {RESULT}"
    );
    let outcome = Bench::new("http://127.0.0.1:9").program(&script).run(brief("help")).await;
    assert_eq!(outcome.end, TurnEnd::Finished { said: "done".into() });
    assert!(outcome.notes().contains("40000000 bytes"), "{}", outcome.notes());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_ignores_being_asked_is_made_to_stop_with_all_that_it_started() {
    let script = format!(
        "trap '' TERM; (trap '' TERM; exec sleep 4242) & echo \"{{\\\"type\\\":\\\"pid\\\",\\\"pid\\\":$!}}\"; \
         echo $! > $HOME/../home/child; {UP}; sleep 4242; sleep 4242"
    );
    let bench = Bench::new("http://127.0.0.1:9").program(&script);
    let told = brief("help");
    let stop = told.stop.clone();
    let (send, cancelled) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(700)).await;
        let _ = send.send(Instant::now());
        stop.cancel();
    });
    let outcome = bench.run(told).await;
    let took = cancelled.await.unwrap().elapsed();
    assert_eq!(outcome.end, TurnEnd::Stopped);
    // It should be one second; a machine that builds something else beside us gets more.
    assert!(took < Duration::from_secs(5), "{took:?}");
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default();
        assert!(!line.starts_with("sleep\u{0}4242"), "{line} is still there");
    }
}

#[tokio::test]
async fn what_cannot_start_says_so_before_it_is_tried() {
    let bench = Bench::new("http://127.0.0.1:9");
    assert!(bench.engine().ready().await.unwrap_err().contains("is not installed here"));
    let mut bench = bench.program("exit 0");
    bench.engine().ready().await.unwrap();
    bench.config.secret = vec!["/usr/share/breakglass/keys".into()];
    assert!(bench.engine().ready().await.unwrap_err().contains("lies under /usr"));
    bench.config.secret.clear();
    if bench.config.user == AgentUser::Passing {
        std::fs::set_permissions(bench.directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(bench.engine().ready().await.unwrap_err().contains("closed to it"));
    }
}
