//! What `breakglass mcp --print-config` prints, read by each format's own parser, and by the real Claude CLI.

use crate::scripted_model::{Act, ScriptedModel};
use crate::serve::{healthy, serve, wait_until};
use crate::site::{Site, command};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

fn printed(site: &Site, client: &str) -> String {
    let mut command = command(&["mcp", "--print-config", client, "--token-file"]);
    let out = command.arg(site.token()).env("BREAKGLASS_FLEET", site.fleet()).output().unwrap();
    assert!(out.status.success(), "{out:?}");
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn each_client_gets_its_own_format_without_a_secret() {
    let site = Site::for_agents("");
    let token = std::fs::read_to_string(site.token()).unwrap();
    let program = json!(env!("CARGO_BIN_EXE_breakglass"));
    for (client, key, is_typed) in [
        ("claude-code", "mcpServers", true),
        ("claude-desktop", "mcpServers", false),
        ("cursor", "mcpServers", false),
        ("vscode", "servers", true),
        ("zed", "context_servers", false),
    ] {
        let text = printed(&site, client);
        assert!(!text.contains(token.trim()), "{client}");
        let config: Value = serde_json::from_str(&text).unwrap();
        let server = config.pointer(&format!("/{key}/breakglass")).unwrap();
        assert_eq!(server.get("command"), Some(&program), "{client}");
        assert_eq!(server.get("type") == Some(&json!("stdio")), is_typed, "{client}");
        let arguments: Vec<&str> =
            server.get("args").unwrap().as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let address = format!("http://127.0.0.1:{}", site.web);
        assert!(
            arguments.contains(&"mcp") && arguments.contains(&address.as_str()),
            "{client}: {arguments:?}"
        );
        assert!(arguments.iter().any(|argument| *argument == site.token().display().to_string()), "{client}");
    }
    let codex: toml::Table = printed(&site, "codex").parse().unwrap();
    let server = codex.get("mcp_servers").and_then(|servers| servers.get("breakglass")).unwrap();
    assert_eq!(server.get("command").and_then(toml::Value::as_str), program.as_str());
    assert!(server.get("args").and_then(toml::Value::as_array).unwrap().len() >= 5);
    let all = printed(&site, "all");
    assert!(
        ["mcpServers", "\"servers\"", "mcp_servers", "context_servers"].iter().all(|key| all.contains(key)),
        "{all}"
    );
    let skill = String::from_utf8(command(&["mcp", "--print-skill"]).output().unwrap().stdout).unwrap();
    let (head, body) = skill.strip_prefix("---\n").unwrap().split_once("\n---\n").unwrap();
    let keys: Vec<&str> = head.lines().map(|line| line.split_once(": ").unwrap().0).collect();
    assert_eq!(keys, ["name", "description"]);
    assert!(head.len() < 1_100 && body.contains("not-granted"));
}

/// The real CLI, where `cargo xtask test` could fetch it.
fn real() -> Option<PathBuf> {
    let path = std::env::var_os("BREAKGLASS_CLAUDE").map(PathBuf::from).filter(|path| path.exists());
    if path.is_none() {
        eprintln!("LEFT OUT: the Claude CLI is not here (BREAKGLASS_CLAUDE); `cargo xtask test` fetches it");
    }
    path
}

#[test]
fn the_real_claude_cli_looks_at_a_host_with_the_printed_configuration() {
    let Some(cli) = real() else { return };
    let site = Site::for_agents("");
    let _serving = serve(&site);
    wait_until("an answer", Duration::from_secs(20), || healthy(site.web));
    let model = ScriptedModel::start(vec![
        Act::Say(
            "I look.",
            vec![(
                "mcp__breakglass__diag",
                json!({ "host": "devvm", "command": "echo from-the-host" }).to_string(),
            )],
        ),
        Act::Say("It answers.", vec![]),
    ]);
    let home = tempfile::tempdir().unwrap();
    let config = home.path().join("mcp.json");
    std::fs::write(&config, printed(&site, "claude-code")).unwrap();
    let mut claude = Command::new(cli);
    claude
        .args([
            "-p",
            "--bare",
            "--tools",
            "",
            "--output-format",
            "stream-json",
            "--verbose",
            "--strict-mcp-config",
        ])
        .arg("--mcp-config")
        .arg(&config)
        .args(["--allowedTools", "mcp__breakglass__diag", "--", "Look at devvm."])
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", "/usr/bin:/bin")
        .env("ANTHROPIC_BASE_URL", model.url())
        .env("ANTHROPIC_API_KEY", "for-the-test")
        .env("CLAUDE_CODE_MAX_RETRIES", "1")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1")
        .current_dir(home.path());
    let out = claude.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    assert!(said.contains("\"breakglass\"") && said.contains("It answers."), "{said}\n{out:?}");
    let requests = model.requests();
    let last = String::from_utf8_lossy(&requests.last().unwrap().1).into_owned();
    assert!(last.contains("from-the-host") && last.contains("untrusted"), "{last}");
    let told = site.call(&["journal", "tail", "--json"]).out;
    assert!(told.contains("echo from-the-host") && told.contains("\"agent\":\"claude-code"), "{told}");
}
