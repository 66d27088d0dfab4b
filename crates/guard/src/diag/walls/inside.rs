//! Attacks that the guard's own child makes, in builds with debug assertions only: a reader of ours and a talk with a
//! container engine start no program, so what their walls hold back has to be tried from where they stand.

use crate::sys;
use std::ffi::CString;
use std::fs::{self, File, Permissions};
use std::io::Error;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

/// Makes each attack of `PROGRAM many (NAME A B)…` and tells `NAME:A NUMBER`, the error's number, 0 where it did its harm.
pub(super) fn attack(words: &[String], tell: &mut dyn FnMut(&str)) -> u8 {
    let [program, _, attacks @ ..] = words else { return 1 };
    for attack in attacks.chunks_exact(3) {
        let [name, a, b] = attack else { continue };
        let number = match attempt(program, name, a, b) {
            Ok(()) => 0,
            Err(error) => error.raw_os_error().unwrap_or(-1),
        };
        tell(&format!("{name}:{a} {number}"));
    }
    0
}

fn attempt(program: &str, name: &str, a: &str, b: &str) -> Result<(), Error> {
    match name {
        "write" => File::options().write(true).open(a).map(drop),
        "append" => File::options().append(true).open(a).map(drop),
        "truncate" => File::options().write(true).truncate(true).open(a).map(drop),
        "create" => File::create_new(b).map(drop),
        "unlink" => fs::remove_file(a),
        "rename" => fs::rename(a, b),
        "link" => fs::hard_link(a, b),
        "symlink" => std::os::unix::fs::symlink(a, b),
        "mkdir" => fs::create_dir(b),
        "chmod" => fs::set_permissions(a, Permissions::from_mode(0o644)),
        "chown" => std::os::unix::fs::chown(a, Some(rustix::process::getuid().as_raw()), None),
        "utimes" => {
            let now = rustix::fs::Timestamps {
                last_access: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
                last_modification: rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 },
            };
            Ok(rustix::fs::utimensat(rustix::fs::CWD, a, &now, rustix::fs::AtFlags::empty())?)
        }
        "connect" => UnixStream::connect(a).map(drop),
        "read" => fs::read(a).map(drop),
        "ptrace" => sys::attack_call(libc::SYS_ptrace, [0x4206, a.parse().unwrap_or(0), 0, 0]),
        "signal" => sys::attack_call(libc::SYS_kill, [a.parse().unwrap_or(0), 18, 0, 0]),
        "unshare" => sys::attack_call(libc::SYS_unshare, [0x0002_0000, 0, 0, 0]),
        "fsopen" => sys::attack_call(libc::SYS_fsopen, [c"tmpfs".as_ptr().expose_provenance(), 0, 0, 0]),
        "mount-tmpfs" => {
            let at = CString::new(b)?;
            let kind = c"tmpfs".as_ptr().expose_provenance();
            sys::attack_call(libc::SYS_mount, [kind, at.as_ptr().expose_provenance(), kind, 0])
        }
        // Where it succeeds, what follows is this attack's own success.
        "exec" => {
            let words: Result<Vec<CString>, _> =
                [program, "many", "exec", a, b].map(CString::new).into_iter().collect();
            let words = words?;
            let mut argv: Vec<usize> = words.iter().map(|word| word.as_ptr().expose_provenance()).collect();
            let path = argv.first().copied().unwrap_or_default();
            argv.push(0);
            sys::attack_call(libc::SYS_execve, [path, argv.as_ptr().expose_provenance(), 0, 0])
        }
        other => Err(Error::other(format!("no such attack: {other}"))),
    }
}
