//! The pages with a stage behind them, until Ctrl-C. `cargo run -p breakglass-e2e --example preview [PORT]`

use breakglass_e2e::stage::{PERSON, Stage};

fn main() -> anyhow::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8088);
    let stage = Stage::raise(port)?;
    let (long, hostile) = (stage.long(2_000)?, stage.hostile()?);
    println!("{}  {} / {}", stage.url("/"), PERSON.0, PERSON.1);
    println!("2,000 events: {}", stage.url(&format!("/incidents/{long}")));
    println!("hostile output: {}", stage.url(&format!("/incidents/{hostile}")));
    stage.until_interrupted()
}
