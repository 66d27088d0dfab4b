//! Host keys as a real sshd shows them: the first, a changed one, a fingerprint's, a certificate's.

use crate::sshd::{Sshd, ask, keygen, output_of, run_tool};
use breakglass_doors::{AcceptError, Doors, End, HostKeyState, HostKeys, Keeping, Limits};
use breakglass_fleet::HostKeyPolicy;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

fn fingerprint(sshd: &Sshd, file: &str) -> String {
    let line = run_tool(Command::new("ssh-keygen").arg("-lf").arg(sshd.path(file)));
    line.split(' ').nth(1).expect("a fingerprint").to_owned()
}

/// Gives the host another key and starts its server again.
fn rebuild(sshd: &mut Sshd) {
    sshd.down();
    for file in ["host", "host.pub"] {
        std::fs::remove_file(sshd.path(file)).expect("the old key");
    }
    keygen(&sshd.path("host"), "ed25519", "host");
    sshd.up();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_host_key_closes_the_door_until_a_person_accepts_it() {
    let mut sshd = Sshd::start();
    let doors = sshd.doors();
    assert_eq!(doors.state("door").host_key, HostKeyState::Unknown);
    output_of(&doors, "true").await;
    let first = fingerprint(&sshd, "host.pub");
    assert_eq!(doors.state("door").host_key, HostKeyState::Trusted { fingerprint: first.clone() });
    assert_eq!(doors.host_keys().settled(LONG).await, Keeping::Kept);
    assert!(matches!(doors.accept_host_key("host"), Err(AcceptError::NothingShown { .. })));

    rebuild(&mut sshd);
    let second = fingerprint(&sshd, "host.pub");
    let marker = sshd.path("ran");
    let (end, _) = ask(&doors, &format!("touch {}", marker.display()), LONG).await;
    let End::HostKeyChanged { host, pinned, shown } = &end else { panic!("{end:?}") };
    assert!(host == "host" && pinned.contains(&first) && shown.contains(&second), "{end:?}");
    assert!(end.to_string().contains("breakglass accept-host-key host"), "{end}");
    assert!(!marker.exists() && !end.was_sent());
    assert!(matches!(doors.state("door").host_key, HostKeyState::Changed { .. }));
    // A second look changes nothing, nor does a new process.
    let (end, _) = ask(&doors, "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "{end:?}");
    let (end, _) = ask(&sshd.doors(), "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "{end:?}");

    assert!(matches!(doors.host_keys().accept_shown("host", &first), Err(AcceptError::ShowsAnother { .. })));
    assert_eq!(doors.host_keys().shown("host"), Some(second.clone()));
    assert_eq!(doors.accept_host_key("host"), Ok(second));
    output_of(&doors, "true").await;
    assert_eq!(doors.host_keys().settled(LONG).await, Keeping::Kept);
    output_of(&sshd.doors(), "true").await;
    // OpenSSH reads the same file.
    let ssh = run_tool(
        Command::new("ssh")
            .args([
                "-F",
                "none",
                "-o",
                "BatchMode=yes",
                "-o",
                "StrictHostKeyChecking=yes",
                "-o",
                "HostKeyAlias=host",
            ])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", sshd.path("state/host_keys").display()))
            .arg("-i")
            .arg(sshd.path("key"))
            .args(["-p", &sshd.port.to_string(), "root@127.0.0.1", "echo ssh"]),
    );
    assert_eq!(ssh, "ssh\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_accepts_another_learns() {
    let mut sshd = Sshd::start();
    let server = sshd.doors();
    output_of(&server, "true").await;
    server.host_keys().settled(LONG).await;
    rebuild(&mut sshd);
    let (end, _) = ask(&server, "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "{end:?}");
    let cli = sshd.doors();
    let (end, _) = ask(&cli, "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "{end:?}");
    cli.accept_host_key("host").expect("accepted");
    assert_eq!(cli.host_keys().settled(LONG).await, Keeping::Kept);
    output_of(&server, "true").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pins_that_cannot_be_written_are_kept_in_memory_and_it_shows() {
    let mut sshd = Sshd::start();
    let host_keys = HostKeys::open(&sshd.path("key").join("host_keys"));
    // A file stands where the directory should be: reading fails in a way that is not "there is none".
    assert!(host_keys.is_err());
    let blocked = sshd.path("blocked");
    std::fs::create_dir(&blocked).expect("a directory");
    let host_keys = HostKeys::open(&blocked.join("state/host_keys")).expect("none yet");
    std::fs::write(blocked.join("state"), "in the way").expect("a file");
    let fleet = Arc::new(sshd.fleet(HostKeyPolicy::TofuAlarm));
    let keyholder = crate::sshd::keyholder(&[(crate::sshd::KEY, &sshd.path("key"))]);
    let doors = Doors::new(fleet, keyholder, host_keys, Limits::default());
    output_of(&doors, "true").await;
    let keeping = doors.host_keys().settled(LONG).await;
    let Keeping::MemoryOnly { components, why } = keeping else { panic!("{keeping:?}") };
    assert_eq!(components, ["host"]);
    assert!(why.contains("host_keys"), "{why}");
    rebuild(&mut sshd);
    let (end, _) = ask(&doors, "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "memory forgot the pin: {end:?}");
    // The disk comes back.
    std::fs::remove_file(blocked.join("state")).expect("out of the way");
    assert_eq!(doors.host_keys().settled(LONG).await, Keeping::Kept);
    assert!(
        std::fs::read_to_string(blocked.join("state/host_keys"))
            .expect("written")
            .contains("host ssh-ed25519")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fingerprint_trusts_that_key_of_whatever_kind() {
    let sshd = Sshd::start();
    keygen(&sshd.path("host_ecdsa"), "ecdsa", "host");
    let sshd = with_second_key(sshd);
    for file in ["host.pub", "host_ecdsa.pub"] {
        let policy = HostKeyPolicy::Fingerprint(fingerprint(&sshd, file));
        output_of(&sshd.doors_of(sshd.fleet(policy)), "true").await;
    }
    let policy = HostKeyPolicy::Fingerprint(fingerprint(&sshd, "key.pub"));
    let doors = sshd.doors_of(sshd.fleet(policy));
    let (end, _) = ask(&doors, "true", LONG).await;
    assert!(matches!(end, End::HostKeyChanged { .. }), "{end:?}");
    doors.accept_host_key("host").expect("a person outranks the file");
    output_of(&doors, "true").await;
}

fn with_second_key(mut sshd: Sshd) -> Sshd {
    sshd.down();
    let config = std::fs::read_to_string(sshd.path("sshd_config")).expect("config");
    let line = format!("{config}HostKey {}\n", sshd.path("host_ecdsa").display());
    std::fs::write(sshd.path("sshd_config"), line).expect("config");
    sshd.up();
    sshd
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_certificate_is_trusted_only_when_it_is_right() {
    let mut sshd = Sshd::start();
    for authority in ["ca", "other_ca"] {
        keygen(&sshd.path(authority), "ed25519", authority);
    }
    let config = std::fs::read_to_string(sshd.path("sshd_config")).expect("config");
    let certificate = sshd.path("host-cert.pub");
    std::fs::write(sshd.path("sshd_config"), format!("{config}HostCertificate {}\n", certificate.display()))
        .expect("config");
    let authority = std::fs::read_to_string(sshd.path("ca.pub")).expect("ca");
    let cases: [(&str, &[&str], Option<&str>); 5] = [
        ("ca", &["-h", "-n", "host,other"], None),
        ("ca", &["-h", "-n", "127.0.0.1"], None),
        ("other_ca", &["-h", "-n", "host"], Some("another authority")),
        ("ca", &["-h", "-n", "elsewhere"], Some("names other hosts: elsewhere")),
        ("ca", &["-h", "-n", "host", "-V", "20200101:20200102"], Some("has expired")),
    ];
    for (signer, options, expected) in cases {
        sshd.down();
        let _ = std::fs::remove_file(&certificate);
        run_tool(
            Command::new("ssh-keygen")
                .args(["-q", "-I", "host", "-s"])
                .arg(sshd.path(signer))
                .args(options)
                .arg(sshd.path("host.pub")),
        );
        sshd.up();
        let doors = sshd.doors_of(sshd.fleet(HostKeyPolicy::Ca(authority.trim().to_owned())));
        let (end, _) = ask(&doors, "true", LONG).await;
        match expected {
            None => assert!(end.succeeded(), "{options:?}: {end}"),
            Some(text) => {
                let End::HostKeyChanged { shown, .. } = &end else { panic!("{options:?}: {end:?}") };
                assert!(shown.contains(text), "{options:?}: {shown}");
            }
        }
    }
}
