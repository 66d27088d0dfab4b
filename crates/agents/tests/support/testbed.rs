//! What the tests start where a server would start itself: the bridge, and the process that shuts itself in.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|word| word.to_str()) {
        Some("mcp-bridge") => breakglass_agents::bridge_main(arguments),
        Some("agent-enclosure") => breakglass_agents::enclosure_main(arguments),
        _ => ExitCode::from(2),
    }
}
