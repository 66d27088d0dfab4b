//! `breakglass mcp-bridge --socket PATH`: bytes from standard input to the socket of a turn, and back. It judges nothing and
//! holds nothing; whoever could start it can only be as far as the socket lets it.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::ExitCode;

/// The main function of the bridge; `args` are those after the subcommand. It needs no runtime.
#[must_use]
pub fn bridge_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let socket = match (args.next(), args.next(), args.next()) {
        (Some(option), Some(path), None) if option == "--socket" => PathBuf::from(path),
        _ => {
            let _ = writeln!(io::stderr(), "usage: mcp-bridge --socket PATH");
            return ExitCode::from(2);
        }
    };
    match bridge(&socket) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "mcp-bridge: {}: {error}", socket.display());
            ExitCode::FAILURE
        }
    }
}

fn bridge(socket: &std::path::Path) -> io::Result<()> {
    let mut to = UnixStream::connect(socket)?;
    let mut from = to.try_clone()?;
    std::thread::Builder::new().stack_size(64 * 1024).spawn(move || {
        let _ = io::copy(&mut io::stdin(), &mut to);
        let _ = to.shutdown(Shutdown::Write);
    })?;
    // The turn's end closes the socket, and that ends us, whatever standard input does.
    let mut out = io::stdout();
    let mut buffer = [0; 16 * 1024];
    loop {
        let count = match io::Read::read(&mut from, &mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        out.write_all(buffer.get(..count).unwrap_or_default())?;
        out.flush()?;
    }
}
