//! `cargo xtask`: the commands of this repository. Each is a few lines over the stages in the modules.

mod axe;
mod claude;
mod fresh;
mod run;
mod schemathesis;
mod setup;
mod stages;

use anyhow::{Result, bail};

const HELP: &str = "cargo xtask COMMAND

  demo            sets up what it needs, boots a lab VM, starts the server, prints address and log-in
  test [--full]   sets up what the tests need, then runs all of them; --full: loops and soaks too
  ci              lint, then test: what a landing has to pass
  lint            cargo fmt --check and clippy, warnings are errors
  bench [ROWS]    every figure beside its comparison: guard, ssh, server, events, agent; named alone, soak (30 min)
  shots           pictures of every page, light and dark, at 320, 390 and 1360 px, into target/shots
  fresh           runs both README commands in a freshly made root: proves the set-up steps
  setup           installs missing Debian packages, saying what and why
  guard           builds the static guard and prints where it is
  image           fetches and builds the lab's guest image
  env             prints the variables that a plain `cargo test` needs: eval \"$(cargo xtask env)\"
";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["demo", rest @ ..] => stages::demo(rest),
        ["test"] => stages::test(false),
        ["test", "--full"] => stages::test(true),
        ["ci"] => stages::lint().and_then(|()| stages::test(false)),
        ["lint"] => stages::lint(),
        ["bench", rows @ ..] => stages::bench(rows),
        ["shots"] => stages::shots(),
        ["fresh"] => fresh::fresh(),
        ["setup"] => setup::install(setup::Wanted::Tests),
        ["guard"] => stages::guard().map(|path| println!("{}", path.display())),
        ["image"] => stages::image(true),
        ["env"] => stages::env(),
        [] | ["help" | "--help" | "-h"] => {
            print!("{HELP}");
            Ok(())
        }
        _ => bail!("`cargo xtask {}` is no command\n\n{HELP}", words.join(" ")),
    }
}
