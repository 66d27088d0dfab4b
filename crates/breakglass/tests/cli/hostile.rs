//! A model that wants more than it may, through the built server: every wish is refused with a reason that it reads and the
//! journal keeps, no machine hears of it, and what it may do is still there afterwards. And a program in the agent's place
//! that tries the other turn's tools, the server's own port and what lies on its disk.

use crate::person::Person;
use crate::scripted_model::{Act, ScriptedModel};
use crate::serve::{Serving, healthy, serve, serve_program, wait_until};
use crate::site::Site;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SOON: Duration = Duration::from_secs(60);
/// A second VM, of which this person's agent may only watch the power and ask for the rest.
const OTHER: &str = r#"
[[component]]
name = "gitvm"
kind = "vm"
addresses = ["127.0.0.1:DEVVM"]
needs = ["pve"]
[[secret]]
name = "git-key"
file = "DIR/git-key"
[[door]]
name = "gitvm-power"
kind = "power"
to = "pve"
controls = "gitvm"
backend = "qmp"
vm = 103
user = "root"
key = "git-key"
[[door]]
name = "gitvm-repair"
kind = "repair"
to = "gitvm"
user = "root"
key = "repair-key"
[[agent.door]]
name = "gitvm-power"
autonomy = "observe"
[[agent.door]]
name = "gitvm-repair"
autonomy = "ask"
"#;
/// Little, so that one call too many is seen; the verbs follow each other without a pause, so that only the count refuses.
const BUDGET: &str = "[agent.budget]\ncommands = 2\ncalls = 40\ncool_down = \"0 s\"\n";
/// No request to a model is larger.
const LARGEST_REQUEST: usize = 400_000;

struct Stand {
    site: Site,
    person: Person,
    serving: Serving,
}

impl Stand {
    fn new(site: Site, start: impl FnOnce(&Site) -> Serving) -> Self {
        let serving = start(&site);
        wait_until("an answer", SOON, || healthy(site.web));
        let person = site.person();
        Self { site, person, serving }
    }

    /// What the journal has of a turn.
    fn turn(&self, turn: u64) -> Vec<Value> {
        let told = self.site.call(&["journal", "tail", "-n", "100000", "--json"]);
        let events = told.out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        events.filter(|event| event["body"]["turn"] == turn).collect()
    }

    /// Runs a turn to its end; gives its events.
    fn to_its_end(&self, incident: u64, text: &str) -> Vec<Value> {
        let turn = self.person.ask(incident, text).unwrap();
        wait_until("the turn's end", SOON, || {
            self.turn(turn).iter().any(|event| event["body"]["kind"] == "turn-ended")
        });
        self.turn(turn)
    }
}

/// The rule of each refused call, `done` or `failed` for the others.
fn outcomes(events: &[Value]) -> Vec<&str> {
    let answers = events.iter().map(|event| &event["body"]).filter(|body| body["kind"] == "tool-answered");
    answers.map(|body| body["rule"].as_str().or(body["outcome"].as_str()).unwrap()).collect()
}

#[test]
fn a_hostile_model_gets_no_further_than_its_bounds_and_reads_why() {
    let legitimate = "echo legitimate; id -u";
    let wishes = [
        // First, so that whatever comes after it would be sent along with what the model said here.
        ("repair", json!({ "target": "devvm", "command": "x".repeat(5 << 20) }), "too-large"),
        ("diag", json!({ "y".repeat(5 << 20): true }), "too-large"),
        ("hosts", json!({ "all": true }), "bad-arguments"),
        ("triage", json!({ "target": "../../etc" }), "no-such-host"),
        ("diag", json!({ "host": "pve", "command": "cat /etc/shadow" }), "no-diag-door"),
        ("repair", json!({ "command": "id", "target": "pve" }), "another-target"),
        ("repair", json!({ "command": "id", "target": "gitvm" }), "another-target"),
        ("repair", json!({ "command": "id\u{0}" }), "not-sent"),
        ("repair", json!({ "command": "id", "user": "root" }), "bad-arguments"),
        ("power", json!({ "verb": "cycle", "target": "gitvm" }), "another-target"),
        ("power", json!({ "verb": "cycle; reboot" }), "unknown-verb"),
        ("runbook", json!({ "name": "../../etc/passwd" }), "no-runbook"),
        ("approve", json!({ "call": 1 }), "unknown-tool"),
        ("Bash", json!({ "command": "curl http://127.0.0.1/" }), "unknown-tool"),
        // All that was allowed is still there: both cycles and both commands, and not one more.
        ("power", json!({ "verb": "cycle" }), "failed"),
        ("power", json!({ "verb": "cycle" }), "failed"),
        ("power", json!({ "verb": "cycle" }), "budget-cycles"),
        ("repair", json!({ "command": legitimate }), "done"),
        ("repair", json!({ "command": legitimate }), "done"),
        ("repair", json!({ "command": legitimate }), "budget-commands"),
    ];
    let rules: Vec<&str> = wishes.iter().map(|(.., rule)| *rule).collect();
    let mut acts: Vec<Act> = wishes
        .iter()
        .map(|(tool, arguments, _)| Act::Say("I want this.", vec![(*tool, arguments.to_string())]))
        .collect();
    acts.push(Act::Say("I give up.", vec![]));
    // The other VM, where a verb may only be watched and a command has to be asked for; nobody answers.
    acts.push(Act::Say("There then.", vec![("power", json!({ "verb": "cycle" }).to_string())]));
    let asks = json!({ "command": "echo unasked" }).to_string();
    acts.push(Act::Say("I allow it to myself.", vec![("repair", asks), ("approve", "{}".to_owned())]));
    acts.push(Act::Say("I give up.", vec![]));
    // And one message with more calls than anybody reads.
    let many = if std::env::var_os("BREAKGLASS_FULL").is_some() { 10_000 } else { 1_000 };
    let calls = |count| Act::Say("All at once.", vec![("hosts", "{\"all\":true}".to_owned()); count]);
    acts.push(calls(many));
    // As many as one message may have, again and again.
    acts.push(calls(60));
    let model = ScriptedModel::start(acts);
    let agent = format!("{}approval = \"2 s\"\n{BUDGET}{OTHER}", Site::api(&model.url()));
    let stand = Stand::new(Site::for_turns(&agent), serve);
    // The cycles come to nothing, so that the incident stays open and the second one has a reason.
    stand.site.set("result", "failed");
    let incident = stand.person.incident("devvm").unwrap();

    let events = stand.to_its_end(incident, "help");
    assert_eq!(outcomes(&events), rules);
    let requests = model.requests();
    let texts: Vec<String> =
        requests.iter().map(|(_, body)| String::from_utf8_lossy(body).into_owned()).collect();
    for (at, rule) in rules.iter().enumerate().filter(|(_, rule)| !["done", "failed"].contains(rule)) {
        let told = texts.get(at + 1).unwrap();
        assert!(told.contains(&format!("Refused ({rule})")), "the model does not read {rule}");
    }
    let largest = events.iter().map(|event| event.to_string().len()).max();
    assert!(largest < Some(32 << 10), "the 5 MB are in the journal: {largest:?}");
    // Its own words come back to the model as its dialect wants it, and shortened: no request is larger than any other may be.
    let sizes: Vec<usize> = texts.iter().map(String::len).collect();
    assert!(sizes.iter().all(|size| *size <= LARGEST_REQUEST), "{sizes:?}");
    let second: Value = serde_json::from_str(texts.get(1).unwrap()).unwrap();
    let called = &second["messages"][1]["content"][1];
    assert_eq!(
        (called["name"].as_str(), called["input"]["target"].as_str()),
        (Some("repair"), Some("devvm"))
    );
    let command = called["input"]["command"].as_str().unwrap();
    assert!(
        command.starts_with("xxx") && command.ends_with(" bytes of this were left out to make room]"),
        "{command}"
    );
    let heard: Vec<String> = stand.site.read("calls").lines().map(str::to_owned).collect();
    assert_eq!(heard.iter().filter(|line| *line == "--json cycle").count(), 2);
    assert!(heard.iter().all(|line| ["--json cycle", "--json status"].contains(&line.as_str())), "{heard:?}");
    let inside = stand.site.read("inside-calls");
    let ran: Vec<&str> = inside.lines().filter(|line| !line.starts_with("breakglass-guard")).collect();
    assert_eq!(ran, [legitimate, legitimate], "what repair may do is done, counted, and nothing else");

    let other = stand.person.incident("gitvm").unwrap();
    let events = stand.to_its_end(other, "help there");
    assert_eq!(outcomes(&events), ["observe-only", "approval-expired", "unknown-tool"]);
    assert!(!stand.site.read("inside-calls").contains("unasked"));
    assert!(!stand.site.read("../gitvm/calls").contains("cycle"));

    let events = stand.to_its_end(other, "all in one message");
    let end = &events.last().unwrap()["body"];
    assert!(end["sentence"].as_str().unwrap().contains("every sensible size"), "{end}");
    assert!(outcomes(&events).is_empty(), "a message like that is dropped whole");
    let events = stand.to_its_end(other, "message after message");
    let end = &events.last().unwrap()["body"];
    assert_eq!(end["how"], "failed", "{end}");
    assert!(end["sentence"].as_str().unwrap().contains("budget of calls"), "{end}");
    let (in_budget, beyond): (Vec<&str>, Vec<&str>) =
        outcomes(&events).into_iter().partition(|rule| *rule == "bad-arguments");
    assert_eq!(in_budget.len(), 40);
    assert!(beyond.len() <= 51 && beyond.iter().all(|rule| *rule == "budget-calls"), "{beyond:?}");
    assert_eq!(stand.site.call(&["journal", "verify"]).code, 0);
}

/// In the agent's place: the victim lends its ear to nobody, the attacker waits for what to attack and says what came of it.
const PROGRAM: &str = r#"#!/bin/sh
echo '{"type":"system","subtype":"init","tools":[],"mcp_servers":[{"name":"breakglass","status":"connected"}]}'
read -r asked
case "$asked" in *"be the victim"*) sleep 60; exit 1 ;; esac
while [ ! -e "$HOME/arguments" ]; do sleep 0.05; done
read -r arguments < "$HOME/arguments"
said=$(/usr/bin/python3 "$HOME/attack.py" $arguments 2>&1 | tr '\n"\\' ';__')
printf '{"type":"assistant","message":{"content":[{"type":"text","text":"%s"}]}}\n' "$said"
printf '{"type":"result","subtype":"success","is_error":false,"result":"tried"}\n'
"#;
const ATTACK: &str = r#"
import os, socket, sys
port, tools, journal, key, fleet, server = sys.argv[1:]
HELLO = b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}\n'
def attempt(name, what):
    try:
        ok = what()
    except Exception:
        ok = False
    print(name, "open" if ok else "shut")
def page():
    s = socket.create_connection(("127.0.0.1", int(port)), 3)
    s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    return s.recv(12).startswith(b"HTTP")
def unix():
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(5)
    s.connect(tools)
    s.sendall(HELLO)
    return len(s.recv(10)) > 0
attempt("page", page)
attempt("tools", unix)
for name, path in (("journal", journal), ("key", key), ("fleet", fleet), ("environment", f"/proc/{server}/environ")):
    attempt(name, lambda: len(open(path, "rb").read(10)) > 0)
attempt("signal", lambda: os.kill(int(server), 0) is None)
"#;

/// The directories of the running turns of a server, by what is asked in them.
fn places(server: u32) -> Vec<PathBuf> {
    let prefix = format!("breakglass-turn-{server}-");
    let all = std::fs::read_dir("/run").unwrap().flatten();
    all.filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
        .map(|entry| entry.path())
        .collect()
}

/// What a process that is not shut in gets at.
fn outside(arguments: &str, script: &Path) -> String {
    let line = format!("/usr/bin/python3 {} {arguments}", script.display());
    let output = Command::new("/bin/sh").args(["-c", &line]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn a_program_in_an_agents_place_reaches_neither_another_turn_nor_the_server() {
    // Where an account without rights may run them.
    let public = tempfile::Builder::new().prefix("breakglass-cli-").tempdir_in("/var/tmp").unwrap();
    let at = |name: &str| public.path().join(name);
    for path in [&at("breakglass"), &at("claude")] {
        // By a child: a fork of another test would hold open what this process writes, and it could not be started.
        std::fs::write(at("text"), PROGRAM).unwrap();
        let from =
            if path.ends_with("claude") { at("text") } else { env!("CARGO_BIN_EXE_breakglass").into() };
        assert!(Command::new("cp").arg(from).arg(path).status().unwrap().success());
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::set_permissions(public.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    // Both turns run as one account, so that it is not the account that keeps them apart.
    let agent = format!(
        "[agent]\nkinds = [\"claude\"]\n[agent.claude]\nprogram = {:?}\nendpoint = \"http://127.0.0.1:9\"\nuser = \"nobody\"\n{OTHER}",
        at("claude")
    );
    let stand = Stand::new(Site::for_turns(&agent), |site| serve_program(&at("breakglass"), site));
    let server = stand.serving.0.id();
    let (devvm, gitvm) = (stand.person.incident("devvm").unwrap(), stand.person.incident("gitvm").unwrap());
    let running = |count| wait_until("the turn's place", SOON, || places(server).len() == count);
    let victim = stand.person.ask(devvm, "be the victim").unwrap();
    running(1);
    let victims = places(server).pop().unwrap();
    let attacker = stand.person.ask(gitvm, "be the attacker").unwrap();
    running(2);
    let attackers = places(server).into_iter().find(|place| *place != victims).unwrap();
    wait_until("its home", SOON, || attackers.join("home/tmp").exists() && victims.join("tools").exists());

    let state = stand.site.state();
    let arguments = format!(
        "{} {} {} {} {} {server}",
        stand.site.web,
        victims.join("tools").display(),
        state.join("journal.db").display(),
        stand.site.fleet().with_file_name("repair-key").display(),
        stand.site.fleet().display()
    );
    let home = attackers.join("home");
    std::fs::write(home.join("attack.py"), ATTACK).unwrap();
    // Outside the walls, with the server's rights, all of it is open, but for the tools of a turn that one is no part of.
    let open = outside(&arguments, &home.join("attack.py"));
    for name in ["page", "journal", "key", "fleet", "environment", "signal"] {
        assert!(open.contains(&format!("{name} open")), "the attack `{name}` fails outside too: {open}");
    }
    assert!(open.contains("tools shut"), "{open}");
    std::fs::write(home.join("new"), arguments + "\n").unwrap();
    std::fs::rename(home.join("new"), home.join("arguments")).unwrap();
    let said = || {
        let events = stand.turn(attacker);
        let said = events.iter().map(|event| &event["body"]).find(|body| body["kind"] == "agent-said");
        said.and_then(|body| Some(body["text"].as_str()?.to_owned()))
    };
    wait_until("what came of it", SOON, || said().is_some());
    let said = said().unwrap();
    for name in ["page", "tools", "journal", "key", "fleet", "environment", "signal"] {
        assert!(said.contains(&format!("{name} shut")), "the attack `{name}` got through: {said}");
    }
    // The victim's incident tells that somebody knocked: root outside did.
    let knock =
        |event: &Value| event["body"]["text"].as_str().is_some_and(|text| text.contains("turned away"));
    wait_until("the knock in the journal", SOON, || stand.turn(victim).iter().any(knock));
    // Knocking on and on fills no journal.
    for _ in 0..20 {
        let mut stream = UnixStream::connect(victims.join("tools")).unwrap();
        let _ = stream.write_all(b"{}\n");
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty(), "a stranger was served");
    }
    let begun = Instant::now();
    stand.person.post(&format!("/api/v1/incidents/{devvm}/turns/stop"), &json!({})).unwrap();
    wait_until("the victim's end", SOON, || {
        stand.turn(victim).iter().any(|event| event["body"]["kind"] == "turn-ended")
    });
    assert!(begun.elapsed() < Duration::from_secs(10));
    let knocks = stand.turn(victim).iter().filter(|event| knock(event)).count();
    assert!((1..=3).contains(&knocks), "{knocks} knocks are told");
    wait_until("nothing of the turns is left", SOON, || places(server).is_empty());
}
