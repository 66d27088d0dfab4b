//! The guard as a process: refused, `status`, forensics.

use crate::measure::{Samples, in_turn};
use crate::table::Table;
use anyhow::{Context as _, Result, ensure};
use breakglass_e2e::night::{brisk, lab};
use breakglass_lab::Lab;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// All rows about the guard.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let lab = lab(&brisk())?;
    // Only the guard and the floor are to be measured, not a guest that writes beside them.
    lab.vm()?.monitor(Duration::from_secs(2))?.stop()?;
    let floor = floor(lab.directory())?;
    refused(table, &lab, &floor)?;
    status(table, &lab, &floor)?;
    forensics(table, &lab)?;
    crate::looks::rows(table, &lab)
}

/// A static program that prints one line: what any process costs.
pub(crate) fn floor(folder: &Path) -> Result<PathBuf> {
    compiled(folder, "floor", "#include <stdio.h>\nint main(void) { puts(\"refused\"); return 77; }\n")
}

/// A static program from this text.
pub(crate) fn compiled(folder: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let (source, program) = (folder.join(format!("{name}.c")), folder.join(name));
    std::fs::write(&source, text)?;
    let built = Command::new("cc").args(["-O2", "-static", "-o"]).arg(&program).arg(&source).status();
    ensure!(built.context("no C compiler")?.success(), "{name}.c does not compile");
    Ok(program)
}

fn guard(lab: &Lab, request: &str) -> Command {
    let mut command = Command::new(lab.guard());
    command.args(["power", "--config"]).arg(lab.guard_file()).args(["--label", "bench"]);
    command.env_clear().env("SSH_ORIGINAL_COMMAND", request);
    command
}

/// Runs it, silent, and wants this exit code.
pub(crate) fn run(mut command: Command, code: i32) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(status.code() == Some(code), "{command:?} ended with {status}");
    Ok(())
}

fn refused(table: &mut Table, lab: &Lab, floor: &Path) -> Result<()> {
    let (ours, theirs) = in_turn(300, || run(guard(lab, "reboot"), 77), || run(Command::new(floor), 77))?;
    table.ratio(
        "guard: a refused request, whole process",
        &ours.words(),
        &format!("static C: {}", theirs.words()),
        ours.ratio(&theirs),
        1.5,
    );
    Ok(())
}

/// A static program that asks the monitor what `status` asks, one question after the other, and does nothing else.
const CONVERSATION: &str = r#"
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
int main(int count, char **words) {
    const char *ask[] = {"qmp_capabilities", "query-status", "query-blockstats", "query-jobs"};
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    static char answer[1 << 20];
    int monitor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (count < 2 || monitor < 0) return 1;
    strncpy(at.sun_path, words[1], sizeof at.sun_path - 1);
    if (connect(monitor, (struct sockaddr *)&at, sizeof at) || read(monitor, answer, sizeof answer) < 1) return 1;
    for (int i = 0; i < 4; i++) {
        char line[80];
        int length = snprintf(line, sizeof line, "{\"execute\":\"%s\"}\n", ask[i]);
        if (write(monitor, line, length) != length || read(monitor, answer, sizeof answer) < 1) return 1;
    }
    return 77;
}
"#;

fn status(table: &mut Table, lab: &Lab, floor: &Path) -> Result<()> {
    let conversation = compiled(lab.directory(), "conversation", CONVERSATION)?;
    let socket = lab.vm()?.file("qmp");
    let talk = || {
        let mut command = Command::new(&conversation);
        command.arg(&socket);
        run(command, 77)
    };
    let (ours, theirs) = in_turn(100, || run(guard(lab, "status"), 0), talk)?;
    let (start, _) = in_turn(100, || run(Command::new(floor), 77), || Ok(()))?;
    table.ratio(
        "guard: `status` beside a static C program's same conversation",
        &ours.words(),
        &theirs.words(),
        ours.ratio(&theirs),
        2.5,
    );
    table.ratio(
        "guard: `status` with one hypervisor conversation",
        &ours.words(),
        &format!("one start: {}", start.words()),
        ours.ratio(&start),
        2.5,
    );
    Ok(())
}

fn forensics(table: &mut Table, lab: &Lab) -> Result<()> {
    let (mut whole, mut longest) = (Samples::default(), Samples::default());
    let mut over = Samples::default();
    for _ in 0..5 {
        let begun = Instant::now();
        let output = guard(lab, "--json forensics").output()?;
        let took = begun.elapsed();
        let text = String::from_utf8_lossy(&output.stdout);
        let parts = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let part = parts
            .filter(|line| line.get("type").is_some_and(|it| it == "forensics"))
            .filter_map(|line| line.get("millis")?.as_u64())
            .max();
        let part = Duration::from_millis(part.context("no part of forensics came")?);
        whole.push(took);
        longest.push(part);
        over.push(took.saturating_sub(part));
    }
    let beside = format!("longest part: {}", longest.words());
    table.at_most(
        "guard: forensics beyond its longest part",
        over.median().as_secs_f64() * 1000.0,
        "ms",
        &format!("whole: {}; {beside}", whole.words()),
        50.0,
    );
    Ok(())
}
