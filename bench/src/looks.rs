//! The read-only door as a process: refused, allowed with every wall up, and a long answer through redaction.

use crate::guard::{compiled, floor, run};
use crate::measure::in_turn;
use crate::table::Table;
use anyhow::{Context as _, Result};
use breakglass_lab::Lab;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// All rows about looks.
pub(crate) fn rows(table: &mut Table, lab: &Lab) -> Result<()> {
    let door = Door::new(lab)?;
    refused(table, &door, &floor(lab.directory())?)?;
    allowed(table, &door, lab.directory())?;
    redacted(table, &door)
}

/// A door whose limits are too wide for a bench to meet, with one command more: a log of eight megabytes.
struct Door {
    guard: PathBuf,
    config: PathBuf,
    talker: PathBuf,
}

impl Door {
    fn new(lab: &Lab) -> Result<Self> {
        let guard_file = lab.guard_file();
        let folder = guard_file.parent().context("a file lies in a directory")?;
        let talker = talker(folder)?;
        let config = folder.join("looks.toml");
        let text = format!(
            "state_dir = \"{0}/looks\"\n[record]\ndir = \"{0}/looks\"\n[diag]\n[diag.limits]\nper_minute = 100000\n\
             output_bytes = 100000000\n[[diag.command]]\nname = \"talker\"\npath = \"{1}\"\n",
            folder.display(),
            talker.display()
        );
        std::fs::create_dir_all(folder.join("looks"))?;
        std::fs::write(&config, text)?;
        Ok(Self { guard: lab.guard().to_owned(), config, talker })
    }

    fn look(&self, request: &str) -> Command {
        let mut command = Command::new(&self.guard);
        command.args(["diag", "--config"]).arg(&self.config).args(["--label", "bench"]);
        command.env_clear().env("SSH_ORIGINAL_COMMAND", request);
        command
    }
}

fn refused(table: &mut Table, door: &Door, floor: &Path) -> Result<()> {
    let (ours, theirs) = in_turn(300, || run(door.look("rm -rf /"), 77), || run(Command::new(floor), 77))?;
    table.ratio(
        "guard: a refused look, whole process",
        &ours.words(),
        &format!("static C: {}", theirs.words()),
        ours.ratio(&theirs),
        1.5,
    );
    Ok(())
}

/// A static program that starts another and waits for it, without a wall.
const STARTER: &str = r"
#include <spawn.h>
#include <sys/wait.h>
extern char **environ;
int main(int count, char **words) {
    pid_t child;
    int status;
    if (count < 2 || posix_spawn(&child, words[1], 0, 0, words + 1, environ)) return 1;
    waitpid(child, &status, 0);
    return WEXITSTATUS(status);
}
";

fn allowed(table: &mut Table, door: &Door, folder: &Path) -> Result<()> {
    let starter = compiled(folder, "starter", STARTER)?;
    let plain = || {
        let mut command = Command::new(&starter);
        command.args(["/usr/bin/uname", "-a"]);
        run(command, 0)
    };
    let (ours, theirs) = in_turn(200, || run(door.look("uname -a"), 0), plain)?;
    table.ratio(
        "guard: an allowed look with every wall up",
        &ours.words(),
        &format!("static C, the same exec: {}", theirs.words()),
        ours.ratio(&theirs),
        3.0,
    );
    Ok(())
}

/// What a busy host logs; nothing in it is a secret, so that every byte has to be looked at and comes through.
const LOG: &[&str] = &[
    "sshd[412]: Accepted publickey for ops from 192.0.2.9 port 51234 ssh2: ED25519 SHA256:q1Zr8nD0yVQn5mJ2bUuS1xFz0kq9wL3eT7cA4hRgYpM",
    "systemd[1]: nginx.service: Main process exited, code=exited, status=1/FAILURE",
    "kernel: usb 1-1.2: New USB device found, idVendor=046d, idProduct=c31c, bcdDevice=64.00",
    "nginx[77]: 192.0.2.9 - - GET /api/v1/items?page=2&limit=50 HTTP/1.1 200 1234 Mozilla/5.0 (X11; Linux x86_64)",
    "CRON[41]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)",
    "kubelet[9]: I1122 02:10:48.123456 1234 pod_startup_latency.go:102] Observed pod startup pod=default/web-7d9f8b6c5-x2x4z",
    "postfix/smtp[3]: 4F1A22C0D1: to=<a@example.org>, relay=mx.example.org[192.0.2.1]:25, delay=1.2, status=sent (250 OK)",
];
/// Of a block of about 64 KiB, so many are written.
const BLOCKS: usize = 128;

/// A static program that prints a log as fast as a pipe takes it.
fn talker(folder: &Path) -> Result<PathBuf> {
    let lines: String = LOG
        .iter()
        .map(|line| format!("\"Nov 22 02:10:48 web-02 {}\\n\"\n", line.replace('"', "\\\"")))
        .collect();
    let text = format!(
        "#include <string.h>\n#include <unistd.h>\nstatic char block[65536];\nint main(void) {{\n\
         const char *lines = {lines};\nsize_t size = 0, length = strlen(lines);\n\
         for (; size + length < sizeof block; size += length) memcpy(block + size, lines, length);\n\
         for (int i = 0; i < {BLOCKS}; i++)\n\
         for (size_t at = 0; at < size;) {{\n\
         ssize_t wrote = write(1, block + at, size - at);\nif (wrote < 1) return 1;\nat += wrote;\n}}\nreturn 0;\n}}\n"
    );
    compiled(folder, "talker", &text)
}

fn redacted(table: &mut Table, door: &Door) -> Result<()> {
    let length = drained(Command::new(&door.talker))?;
    let same = |command: Command| {
        let read = drained(command)?;
        anyhow::ensure!(read == length, "{read} of {length} bytes came");
        Ok(())
    };
    let (ours, theirs) = in_turn(15, || same(door.look("talker")), || same(Command::new(&door.talker)))?;
    #[expect(clippy::cast_precision_loss, reason = "megabytes, to be read by a person")]
    let speed = |took: Duration| length as f64 / 1e6 / took.as_secs_f64();
    table.at_least(
        "guard: a log of 8 MB through a whole look, redaction and all",
        speed(ours.median()),
        "MB/s",
        &format!("the program alone: {:.0} MB/s", speed(theirs.median())),
        50.0,
    );
    Ok(())
}

/// Runs it to its end and counts what it prints.
fn drained(mut command: Command) -> Result<usize> {
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    let mut pipe = child.stdout.take().context("it was asked for")?;
    let (mut chunk, mut count) = (vec![0; 1 << 16], 0);
    loop {
        match pipe.read(&mut chunk)? {
            0 => break,
            read => count += read,
        }
    }
    anyhow::ensure!(child.wait()?.success(), "{command:?} failed");
    Ok(count)
}
