//! What a client's configuration needs, in that client's own format. No secret stands in it: the token is named by its file.

use breakglass_agents::Fingerprint;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A call may wait for a person for five minutes, and a command may run for ten: so many seconds are given to it where a
/// client asks for them.
const TOOL_SECONDS: u32 = 960;

/// The clients whose format is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Client {
    /// Every one of them, each with where it goes
    All,
    /// Claude Code: .mcp.json of a project, or `claude --mcp-config FILE`
    ClaudeCode,
    /// Claude Desktop: claude_desktop_config.json
    ClaudeDesktop,
    /// Cursor: .cursor/mcp.json of a project, or ~/.cursor/mcp.json
    Cursor,
    /// VS Code: .vscode/mcp.json, or `MCP: Open User Configuration`
    Vscode,
    /// Codex: ~/.codex/config.toml
    Codex,
    /// Zed: settings.json
    Zed,
}

/// What goes into it.
pub(super) struct Wanted {
    pub(super) program: PathBuf,
    pub(super) server: String,
    pub(super) token_file: Option<PathBuf>,
    pub(super) ca: Option<PathBuf>,
    pub(super) fingerprint: Option<Fingerprint>,
    pub(super) fleet: Option<PathBuf>,
}

impl Wanted {
    fn arguments(&self) -> Vec<String> {
        let mut all = Vec::new();
        let mut file = |option: &str, path: &Option<PathBuf>| {
            if let Some(path) = path {
                let path = std::path::absolute(path).unwrap_or_else(|_| path.clone());
                all.extend([option.to_owned(), path.display().to_string()]);
            }
        };
        file("--fleet", &self.fleet);
        file("--token-file", &self.token_file);
        file("--ca", &self.ca);
        if let Some(pin) = &self.fingerprint {
            all.extend(["--fingerprint".to_owned(), pin.to_string()]);
        }
        let at = usize::from(self.fleet.is_some()) * 2;
        all.splice(at..at, ["mcp".to_owned(), "--server".to_owned(), self.server.clone()]);
        all
    }
}

/// Prints one of them, or all.
pub(super) fn print(client: Client, wanted: &Wanted) {
    if client != Client::All {
        println!("{}", text(client, wanted));
        return;
    }
    let each = [
        (Client::ClaudeCode, "claude-code: .mcp.json of a project, or `claude --mcp-config FILE`"),
        (Client::ClaudeDesktop, "claude-desktop: claude_desktop_config.json"),
        (Client::Cursor, "cursor: .cursor/mcp.json of a project, or ~/.cursor/mcp.json"),
        (Client::Vscode, "vscode: .vscode/mcp.json of a project, or `MCP: Open User Configuration`"),
        (Client::Codex, "codex: ~/.codex/config.toml"),
        (Client::Zed, "zed: settings.json"),
    ];
    for (client, place) in each {
        println!("# {place}\n{}\n", text(client, wanted));
    }
    println!(
        "# The token: `breakglass token NAME --agent` on the server; its line goes into the server's token file, the"
    );
    println!(
        "# token itself into the file that --token-file names (mode 0600). `breakglass mcp --print-skill` prints SKILL.md."
    );
}

fn text(client: Client, wanted: &Wanted) -> String {
    let program = wanted.program.display().to_string();
    let arguments = wanted.arguments();
    let plain = json!({ "command": program, "args": arguments });
    let named = |key: &str, server: Value| pretty(&json!({ key: { "breakglass": server } }));
    match client {
        Client::All => String::new(),
        Client::ClaudeDesktop | Client::Cursor => named("mcpServers", plain),
        Client::ClaudeCode => {
            named("mcpServers", json!({ "type": "stdio", "command": program, "args": arguments }))
        }
        Client::Vscode => named("servers", json!({ "type": "stdio", "command": program, "args": arguments })),
        Client::Zed => named("context_servers", json!({ "command": program, "args": arguments, "env": {} })),
        Client::Codex => {
            // What JSON writes for a text or a list of texts, TOML reads.
            format!(
                "[mcp_servers.breakglass]\ncommand = {}\nargs = {}\ntool_timeout_sec = {TOOL_SECONDS}",
                Value::from(program),
                Value::from(arguments)
            )
        }
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
