//! What stands for the real binary in this crate's tests: `keyholder` is the keyholder, `serve` a server that works
//! through a door until it is ended. No part of the product.

use breakglass_doors::{Ask, Doors, HostKeys, Keyholder, Limits};
use breakglass_fleet::Fleet;
use std::error::Error;
use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == "keyholder" => breakglass_doors::keyholder_main(args),
        Some(word) if word == "serve" => match serve(&args.collect::<Vec<_>>()) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let _ = writeln!(std::io::stderr(), "doors-testbed: {error}");
                ExitCode::FAILURE
            }
        },
        _ => ExitCode::from(2),
    }
}

/// `serve KEY HOST_KEYS PORT MARKER`: asks a door over fresh and held connections in turn, and says `worked` each time.
fn serve(args: &[OsString]) -> Result<(), Box<dyn Error>> {
    let [key, host_keys, port, marker] = args else {
        return Err("usage: serve KEY HOST_KEYS PORT MARKER".into());
    };
    let marker = marker.to_str().ok_or("a marker of text")?;
    let port = port.to_str().ok_or("a port")?;
    let text = format!(
        "[fleet]\nname = \"testbed\"\n[[component]]\nname = \"host\"\nkind = \"host\"\naddresses = [\"127.0.0.1:{port}\"]\n\
         [[secret]]\nname = \"recovery-key\"\nfile = {key:?}\n[[door]]\nname = \"door\"\nkind = \"repair\"\nto = \"host\"\n\
         user = \"root\"\nkey = \"recovery-key\"\n"
    );
    let fleet = Fleet::parse(&text, Path::new("testbed.toml")).map_err(|invalid| invalid.to_string())?;
    let exe = std::env::current_exe()?;
    let keyholder = Keyholder::spawn(&exe, &[("recovery-key".to_owned(), PathBuf::from(key))])?;
    let host_keys = HostKeys::open(Path::new(host_keys))?;
    tokio::runtime::Runtime::new()?.block_on(async {
        let doors = Doors::new(Arc::new(fleet), keyholder, host_keys, Limits::default());
        for round in 0.. {
            let command = format!("echo {marker}");
            let ask = Ask { door: "door", command, deadline: Duration::from_secs(8), stdout_limit: 1000 };
            let (end, captured) = doors.capture(ask).await;
            if !end.succeeded() || captured.stdout != format!("{marker}\n").into_bytes() {
                return Err(format!("{end}").into());
            }
            if writeln!(std::io::stdout(), "worked").is_err() {
                return Ok(());
            }
            if round % 2 == 0 {
                doors.hang_up("door");
            }
        }
        Ok(())
    })
}
