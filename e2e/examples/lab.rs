//! A lab to play with: boots one VM and takes commands on standard input until its end: `wedge SLUG`, `inside COMMAND`,
//! `login COMMAND`, `power REQUEST`. Prints where its fleet file is, for `breakglass --fleet`.

use breakglass_e2e::night::{brisk, lab};
use breakglass_lab::Wedge;
use std::io::BufRead as _;
use std::time::Duration;

fn main() -> anyhow::Result<()> {
    let lab = lab(&brisk())?;
    let vm = lab.vm()?;
    println!("fleet file: {}", lab.fleet_file().display());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        let minute = Duration::from_secs(60);
        match word {
            "wedge" => println!("{:?}", Wedge::from_slug(rest).map(|wedge| vm.wedge(wedge))),
            "inside" => println!("{:#?}", vm.inside(rest, minute)),
            "login" => println!("{:#?}", vm.login(rest, minute)),
            "power" => println!("{:#?}", lab.power(rest, minute)),
            _ => println!("wedge, inside, login or power?"),
        }
    }
    Ok(())
}
