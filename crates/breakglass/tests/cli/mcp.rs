//! `breakglass mcp` as agents start it: the built binary on pipes, driven by a real client and by raw lines, with the real
//! server behind it, without one, and with one that goes away in between.

use crate::serve::{Serving, healthy, serve, wait_until};
use crate::site::{Site, command};
use rmcp::model::{CallToolRequestParams, Tool};
use rmcp::service::RunningService;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::process::Command as AsyncCommand;

pub(crate) fn mcp(site: &Site) -> Command {
    let mut command = command(&["mcp"]);
    command.env("BREAKGLASS_FLEET", site.fleet()).env("BREAKGLASS_TOKEN_FILE", site.token());
    for name in ["BREAKGLASS_SERVER", "BREAKGLASS_TOKEN", "BREAKGLASS_CA", "BREAKGLASS_FINGERPRINT"] {
        command.env_remove(name);
    }
    command.stderr(Stdio::null());
    command
}

/// A real client with the binary behind it, which ends with it.
pub(crate) struct Session {
    client: RunningService<RoleClient, ()>,
    child: tokio::process::Child,
}

impl Session {
    async fn start(site: &Site) -> Self {
        Self::of(mcp(site)).await
    }

    pub(crate) async fn of(command: Command) -> Self {
        let mut child = AsyncCommand::from(command);
        let mut child =
            child.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let pipes = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let client = ().serve(pipes).await.unwrap();
        Self { client, child }
    }

    pub(crate) async fn tools(&self) -> Vec<Tool> {
        self.client.list_all_tools().await.unwrap()
    }

    async fn names(&self) -> Vec<String> {
        self.tools().await.into_iter().map(|tool| tool.name.into_owned()).collect()
    }

    /// The text of an answer, and whether it is an error that the model reads.
    pub(crate) async fn call(&self, tool: &'static str, arguments: Value) -> (String, bool) {
        let arguments = arguments.as_object().unwrap().clone();
        let wish = CallToolRequestParams::new(tool).with_arguments(arguments);
        let answer = self.client.call_tool(wish).await.unwrap();
        let text = answer.content.iter().filter_map(|part| Some(part.as_text()?.text.clone())).collect();
        (text, answer.is_error == Some(true))
    }

    /// The client goes; the binary has to go with it.
    pub(crate) async fn end(mut self) {
        let _ = self.client.cancel().await;
        let ended = tokio::time::timeout(Duration::from_secs(10), self.child.wait()).await;
        // It ends when its client is gone.
        ended.unwrap().unwrap();
    }
}

pub(crate) fn serving(site: &Site) -> Serving {
    let serving = serve(site);
    wait_until("an answer", Duration::from_secs(20), || healthy(site.web));
    serving
}

fn journal(site: &Site) -> String {
    site.call(&["journal", "tail", "--json"]).out
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_it_looks_at_hosts_through_the_server_and_is_refused_the_rest() {
    let site = Site::for_agents("");
    let _serving = serving(&site);
    let session = Session::start(&site).await;
    let server = session.client.peer_info().unwrap();
    assert_eq!(server.server_info.as_ref().unwrap().name, "breakglass");
    assert!(server.instructions.as_ref().unwrap().contains("untrusted"));
    let tools = session.tools().await;
    let told: Vec<_> = tools
        .iter()
        .map(|tool| {
            let hints = tool.annotations.as_ref().unwrap();
            (tool.name.as_ref(), hints.read_only_hint, hints.destructive_hint)
        })
        .collect();
    let looks = (Some(true), Some(false));
    assert_eq!(
        told,
        [("hosts", looks.0, looks.1), ("diag", looks.0, looks.1), ("runbook", looks.0, looks.1)]
    );
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(!is_error && text.contains("diag door devvm-diag: look"), "{text}");
    let (text, is_error) =
        session.call("diag", json!({ "host": "devvm", "command": "echo seen; exit 3" })).await;
    assert!(
        !is_error && text.contains("[untrusted ") && text.contains("seen") && text.contains("Exit code 3"),
        "{text}"
    );
    for (tool, arguments, rule) in [
        ("repair", json!({ "target": "devvm", "command": "id" }), "not-granted"),
        ("power", json!({ "target": "devvm", "verb": "cycle" }), "not-granted"),
        ("diag", json!({ "host": "devvm", "command": "id", "user": "root" }), "bad-arguments"),
        ("diag", json!({ "host": "devvm", "command": "x".repeat(50 << 10) }), "too-large"),
        ("diag", json!({ "host": "devvm", "command": "x".repeat(5 << 20) }), "too-large"),
        ("Bash", json!({ "command": "id" }), "unknown-tool"),
    ] {
        let (text, is_error) = session.call(tool, arguments).await;
        assert!(is_error && text.contains(&format!("({rule})")), "{tool}: {text}");
    }
    session.end().await;
    let told = journal(&site);
    assert!(told.contains("\"agent\":\"rmcp") && told.contains("\"by\":\"token laptop\""), "{told}");
    assert!(told.contains("not-granted"), "a refusal is in the journal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_lets_it_act_or_ask_and_a_question_lapses() {
    let lines = "[agent]\napproval = \"2 s\"\n[agent.outside]\nrepair = \"act\"\npower = \"ask\"";
    let site = Site::for_agents(lines);
    let checked = site.call(&["check"]);
    assert!(
        checked.out.contains("outside agents on devvm: power \"ask\", repair \"act\""),
        "{}",
        checked.out
    );
    assert!(checked.out.contains("without asking anybody"), "{}", checked.out);
    let _serving = serving(&site);
    let session = Session::start(&site).await;
    assert_eq!(session.names().await, ["hosts", "triage", "diag", "repair", "power", "runbook"]);
    let (text, is_error) =
        session.call("repair", json!({ "target": "devvm", "command": "echo mended" })).await;
    assert!(!is_error && text.contains("mended"), "{text}");
    let (text, is_error) = session.call("power", json!({ "target": "devvm", "verb": "cycle" })).await;
    assert!(is_error && text.contains("(approval-expired)") && text.contains("Nothing was done"), "{text}");
    session.end().await;
    let told = journal(&site);
    assert!(told.contains("approval-asked") && told.contains("approval-expired"), "{told}");
    assert!(!told.contains("verb-pressed"), "nothing was pressed: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_goes_leaves_looks_and_comes_back_by_itself() {
    let site = Site::for_agents("[agent.outside]\nrepair = \"act\"");
    let mut first = serving(&site);
    let session = Session::start(&site).await;
    assert_eq!(session.names().await.len(), 5);
    // Killed in the middle of a call: its fate is not known, and nothing is sent again.
    let command = json!({ "target": "devvm", "command": "sleep 3; echo slept" });
    let calling = session.call("repair", command);
    let (killed, ()) = tokio::join!(calling, async {
        let began = Instant::now();
        while !journal(&site).contains("sleep 3") {
            assert!(began.elapsed() < Duration::from_secs(20), "never began");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        first.0.kill().unwrap();
    });
    drop(first);
    assert!(
        killed.1 && killed.0.contains("may have been carried out") && killed.0.contains("before you repeat"),
        "{killed:?}"
    );
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(is_error && text.contains("(no-server)") && text.contains("diag still works"), "{text}");
    assert_eq!(session.names().await, ["diag"]);
    let (text, is_error) = session.call("diag", json!({ "host": "devvm", "command": "echo straight" })).await;
    assert!(!is_error && text.contains("straight to the host") && text.contains("straight"), "{text}");
    let _second = serving(&site);
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(!is_error, "{text}");
    session.end().await;
    let told = journal(&site);
    let begun = told.lines().filter(|line| line.contains("command-started") && line.contains("sleep 3"));
    assert_eq!(begun.count(), 1, "it was sent once: {told}");
    assert!(told.contains("server-restarted"), "that its end was not seen is told: {told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_server_there_is_diag_alone_kept_in_the_spool() {
    let site = Site::for_agents("[agent.outside]\nrepair = \"act\"\npower = \"act\"");
    let session = Session::start(&site).await;
    let tools = session.tools().await;
    let described = serde_json::to_string(&tools).unwrap();
    assert_eq!(tools.len(), 1, "{described}");
    assert!(described.contains("one of: devvm"), "{described}");
    let (text, is_error) = session.call("diag", json!({ "host": "devvm", "command": "echo alone" })).await;
    assert!(!is_error && text.contains("does not answer") && text.contains("alone"), "{text}");
    for (tool, arguments) in [
        ("repair", json!({ "target": "devvm", "command": "id" })),
        ("power", json!({ "target": "devvm", "verb": "cycle" })),
        ("hosts", json!({})),
    ] {
        let (text, is_error) = session.call(tool, arguments).await;
        assert!(is_error && text.contains("(no-server)"), "{tool}: {text}");
    }
    session.end().await;
    let spool = std::fs::read_dir(site.state().join("spool")).unwrap();
    let kept: String =
        spool.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap_or_default()).collect();
    assert!(
        kept.contains("echo alone") && kept.contains("tool-answered") && kept.contains("\"agent\":\"rmcp"),
        "{kept}"
    );
    // The next server takes it in, and the answer names its call under the journal's own numbers.
    let _serving = serving(&site);
    wait_until("the spool is taken in", Duration::from_secs(20), || journal(&site).contains("tool-answered"));
    let events: Vec<Value> = journal(&site).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |kind: &str| events.iter().find(|event| event["body"]["kind"] == kind).unwrap();
    assert_eq!(of("tool-answered")["body"]["call"], of("tool-called")["seq"], "{events:?}");
    assert!(of("tool-called")["actor"].to_string().contains("rmcp"), "{events:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_known_or_is_no_agents_is_told_with_its_remedy() {
    let site = Site::for_agents("");
    let _serving = serving(&site);
    std::fs::write(site.token(), "bg_wrong\n").unwrap();
    let session = Session::start(&site).await;
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(
        is_error && text.contains("breakglass token NAME --agent") && !text.contains("bg_wrong"),
        "{text}"
    );
    std::fs::remove_file(site.token()).unwrap();
    let (text, is_error) = session.call("hosts", json!({})).await;
    assert!(is_error && text.contains("cannot be read"), "{text}");
    session.end().await;
}

/// The binary and raw lines.
struct Raw {
    child: Child,
    to: Option<ChildStdin>,
    from: BufReader<ChildStdout>,
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Raw {
    fn start(site: &Site) -> Self {
        let mut child = mcp(site).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (to, from) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, to, from }
    }

    fn say(&mut self, line: &str) {
        self.to.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// The next answer with this id.
    fn answer(&mut self, id: u64) -> Value {
        loop {
            let mut line = String::new();
            assert!(self.from.read_line(&mut line).unwrap() > 0, "it ended");
            // Every line is JSON, whatever came in.
            let value: Value = serde_json::from_str(&line).unwrap();
            if value.get("id") == Some(&json!(id)) {
                return value;
            }
        }
    }

    fn begin(&mut self, version: &str) -> String {
        self.say(&json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": version, "capabilities": {}, "clientInfo": { "name": "raw", "version": "1" } } }).to_string());
        let answer = self.answer(0);
        self.say(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        answer.pointer("/result/protocolVersion").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    fn call(&mut self, id: u64, tool: &str, arguments: &Value) {
        self.say(
            &json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments, "_meta": { "progressToken": id } } })
            .to_string(),
        );
    }

    /// Waits for its end.
    fn ended(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < deadline, "it goes on although nobody listens");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn garbage_unknown_methods_and_floods_are_answered_or_passed_over_and_it_goes_on() {
    let site = Site::for_agents("");
    let mut raw = Raw::start(&site);
    assert_eq!(raw.begin("2024-11-05"), "2024-11-05");
    raw.say("this is no JSON");
    raw.say("{\"jsonrpc\":\"2.0\",\"id\":");
    raw.say("[]");
    raw.say("\u{0}\u{1b}[2J");
    raw.say(&"x".repeat(20 << 20));
    raw.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "no/such" }).to_string());
    assert!(raw.answer(1).pointer("/error/code").is_some());
    raw.call(2, "diag", &json!({ "host": "devvm", "command": "y".repeat(5 << 20) }));
    assert!(raw.answer(2).to_string().contains("(too-large)"));
    raw.say(
        &json!({ "jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": { "name": 7 } }).to_string(),
    );
    raw.call(4, "diag", &json!({ "host": "devvm", "command": "echo still here" }));
    assert!(raw.answer(4).to_string().contains("still here"));
    raw.to = None;
    raw.ended();
}

#[test]
fn each_protocol_version_with_a_handshake_begins_a_session() {
    let site = Site::for_agents("");
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let mut raw = Raw::start(&site);
        assert_eq!(raw.begin(version), version);
        raw.say(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string());
        assert_eq!(raw.answer(1).pointer("/result/tools/0/name"), Some(&json!("diag")), "{version}");
    }
}

#[test]
fn a_cancelled_call_and_a_client_that_vanishes_take_their_question_with_them() {
    let site = Site::for_agents("[agent.outside]\nrepair = \"ask\"");
    let _serving = serving(&site);
    let told = |what: &str, times: usize| {
        wait_until(what, Duration::from_secs(20), || journal(&site).matches(what).count() >= times);
    };
    let wish = |text: &str| json!({ "target": "devvm", "command": text });
    let mut raw = Raw::start(&site);
    raw.begin("2025-06-18");
    raw.call(1, "repair", &wish("echo cancelled"));
    told("\"kind\":\"approval-asked\"", 1);
    raw.say(
        &json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } })
            .to_string(),
    );
    told("\"kind\":\"approval-expired\"", 1);
    raw.call(2, "diag", &json!({ "host": "devvm", "command": "echo goes on" }));
    assert!(raw.answer(2).to_string().contains("goes on"));
    raw.call(3, "repair", &wish("echo vanished"));
    told("\"kind\":\"approval-asked\"", 2);
    raw.child.kill().unwrap();
    told("\"kind\":\"approval-expired\"", 2);
    assert!(journal(&site).contains("asker-gone"));
    let mut raw = Raw::start(&site);
    raw.to = None;
    raw.ended();
}
