//! `facts` and `sync-probe`.

use super::frozen::{Disk, may_mount};
use crate::{alone, guard};
use breakglass_protocol::{Facts, Part, SyncProbe};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

fn facts() -> (Facts, Duration) {
    let began = Instant::now();
    // Waits for the end of output, so it also shows that no child of the guard holds on to it.
    let done = guard().arg("facts").output().unwrap();
    let took = began.elapsed();
    assert!(done.status.success(), "{done:?}");
    (serde_json::from_slice(&done.stdout).unwrap(), took)
}

fn probes() -> Vec<SyncProbe> {
    let done = guard().arg("sync-probe").output().unwrap();
    assert!(done.status.success(), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

fn on<'a>(probes: &'a [SyncProbe], mount: &str) -> &'a SyncProbe {
    probes
        .iter()
        .find(|probe| probe.mount == mount)
        .unwrap_or_else(|| panic!("no probe of {mount}: {probes:?}"))
}

/// Processes of the guard that have the marker of `mount` open and wait where no signal reaches them. Others may
/// wait in patience for their turn, started by the tests beside this one.
fn stuck_probes(mount: &str) -> usize {
    let exe = std::fs::canonicalize(env!("CARGO_BIN_EXE_breakglass-guard")).unwrap();
    let device = device_of(mount);
    let stuck = |process: &std::path::Path| {
        std::fs::read_link(process.join("exe")).is_ok_and(|link| link == exe)
            && std::fs::read_to_string(process.join("stat")).is_ok_and(|stat| stat.contains(") D "))
            && std::fs::read_dir(process.join("fd")).is_ok_and(|mut all| {
                all.any(|fd| {
                    fd.is_ok_and(|fd| std::fs::read_link(fd.path()).is_ok_and(|to| to.ends_with(&device)))
                })
            })
    };
    std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| stuck(&entry.path())).count()
}

/// `major-minor`, as markers are named.
fn device_of(mount: &str) -> String {
    let device = rustix::fs::stat(mount).unwrap().st_dev;
    format!("{}-{}", rustix::fs::major(device), rustix::fs::minor(device))
}

#[test]
fn a_healthy_machine_tells_everything_in_time() {
    let _alone = alone();
    let (facts, took) = facts();
    assert!(took < Duration::from_millis(1500), "{took:?}");
    assert!(facts.uptime_seconds > 0 && !facts.kernel.is_empty());
    let load = facts.load.value().unwrap();
    assert!(load.processors >= 1 && load.tasks >= 1, "{load:?}");
    let memory = facts.memory.value().unwrap();
    assert!(
        memory.available_kib > 0 && memory.largest.iter().all(|(name, _, kib)| !name.is_empty() && *kib > 0)
    );
    assert!(facts.clock.value().is_some());
    assert!(facts.blocked.value().is_some());
    for filesystem in facts.filesystems.value().unwrap() {
        assert!(filesystem.size_kib.is_some() && filesystem.inodes.is_some(), "{filesystem:?}");
    }
    if !std::path::Path::new("/run/systemd/system").exists() {
        assert!(matches!(facts.failed_units, Part::No(_)), "{:?}", facts.failed_units);
    }
}

#[test]
fn without_root_it_tells_less_and_says_why() {
    let _alone = alone();
    if !may_mount("facts without root") {
        return;
    }
    // A copy that anyone may run, run as nobody.
    let dir = tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o755)).tempdir().unwrap();
    let copy = dir.path().join("guard");
    // By a child: a fork of another test would hold open what this process writes, and it could not be started.
    assert!(
        Command::new("cp").arg(env!("CARGO_BIN_EXE_breakglass-guard")).arg(&copy).status().unwrap().success()
    );
    let done = Command::new(&copy).arg("facts").uid(65534).gid(65534).output().unwrap();
    assert!(done.status.success(), "{done:?}");
    let facts: Facts = serde_json::from_slice(&done.stdout).unwrap();
    assert!(facts.load.value().is_some() && facts.memory.value().is_some(), "{facts:?}");
    for probe in &facts.sync {
        let error = probe.error.as_ref().unwrap();
        assert!(error.starts_with("not tried") && error.ends_with("a probe needs root"), "{probe:?}");
    }
}

#[test]
fn looks_at_the_same_time_do_not_take_each_other_for_stuck() {
    let _alone = alone();
    if !may_mount("looks at the same time") {
        return;
    }
    let disk = Disk::new();
    let running: Vec<Child> =
        (0..6).map(|_| guard().arg("sync-probe").stdout(Stdio::piped()).spawn().unwrap()).collect();
    for child in running {
        let done = child.wait_with_output().unwrap();
        let probes: Vec<SyncProbe> = serde_json::from_slice(&done.stdout).unwrap();
        assert!(on(&probes, disk.name()).millis.is_some(), "{probes:?}");
    }
    let left: Vec<_> =
        std::fs::read_dir(&disk.mount).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["lost+found"]);
}

#[test]
fn a_full_disk_is_told_as_such() {
    let _alone = alone();
    if !may_mount("full disk") {
        return;
    }
    let disk = Disk::new();
    // What the file system holds back for its own needs comes free with each sync.
    for round in 0..8 {
        let mut filler = std::fs::File::create(disk.mount.join(format!("filler{round}"))).unwrap();
        while filler.write_all(&[1; 1024]).is_ok() {}
        let _ = filler.sync_all();
    }
    let probe = on(&probes(), disk.name()).clone();
    assert_eq!((probe.millis, probe.stuck_millis), (None, None), "{probe:?}");
    assert!(probe.error.unwrap().contains("no space left"));
    let (facts, _) = facts();
    let seen =
        facts.filesystems.value().unwrap().iter().find(|seen| seen.mount == disk.name()).unwrap().clone();
    assert_eq!(seen.available_kib, Some(0), "{seen:?}");
}

#[test]
fn a_disk_that_hangs_is_told_in_time_and_never_probed_twice() {
    let _alone = alone();
    if !may_mount("disk that hangs") {
        return;
    }
    let mut disk = Disk::new();
    let name = disk.name().to_owned();
    disk.freeze();
    let mut writer = Command::new("/usr/bin/touch").arg(disk.mount.join("x")).spawn().unwrap();

    let (first, took) = facts();
    assert!(took < Duration::from_millis(1700), "{took:?}");
    let probe = on(&first.sync, &name);
    assert!(probe.millis.is_none() && probe.error.is_none(), "{probe:?}");
    assert!(probe.stuck_millis.unwrap() >= 650, "{probe:?}");
    let blocked = first.blocked.value().unwrap();
    assert!(blocked.iter().any(|task| task.pid == writer.id() && task.command == "touch"), "{blocked:?}");
    let seen = first.filesystems.value().unwrap().iter().find(|seen| seen.mount == name).unwrap();
    assert!(seen.size_kib.is_some(), "a frozen file system still says how full it is: {seen:?}");
    assert_eq!(stuck_probes(&name), 1, "the stuck probe is still there");

    let began = Instant::now();
    let later = on(&probes(), &name).stuck_millis.unwrap();
    assert!(began.elapsed() < Duration::from_millis(1700), "{:?}", began.elapsed());
    assert!(later > probe.stuck_millis.unwrap(), "it is the first probe's age that grows: {later}");
    let (second, took) = facts();
    assert!(took < Duration::from_millis(1700), "{took:?}");
    assert!(on(&second.sync, &name).stuck_millis.unwrap() > later);
    assert_eq!(stuck_probes(&name), 1, "no second probe beside the first");

    disk.thaw();
    assert!(writer.wait().unwrap().success());
    let until = Instant::now() + Duration::from_secs(5);
    while stuck_probes(&name) > 0 {
        assert!(Instant::now() < until, "the probe did not end after the thaw");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(on(&probes(), &name).millis.is_some());
    assert!(
        !std::fs::read_dir(&disk.mount)
            .unwrap()
            .flatten()
            .any(|e| e.file_name().to_string_lossy().contains("probe")),
        "a probe that told how long it took has taken its file away"
    );
}
