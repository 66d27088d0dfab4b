//! From nothing to a look, and back to nothing.

use super::host::{Host, INSTALLED, USER, difference};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

#[test]
fn one_command_opens_the_door_and_one_leaves_nothing() {
    let mut host = Host::new();
    host.up();
    let before = host.tree();
    assert_ne!(host.ssh(&[], &["uptime"]).code, 0, "nobody is let in before");

    let printed = host.installed(&["--from", "127.0.0.0/8", "--label", "agent-1"]);
    for line in [
        "IdentitiesOnly yes",
        "ForwardAgent no",
        "    IdentityFile ~/.ssh/agent\n",
        "User breakglass-diag",
        "uninstall diag",
    ] {
        assert!(printed.contains(line), "{line} is missing in: {printed}");
    }
    assert!(!printed.contains("Still to do") && !printed.contains("wrong "), "{printed}");
    host.sshd_is_sound().unwrap();

    // The running sshd was told, and the key opens the guard and nothing else.
    let look = host.ssh(&[], &["uname -s"]);
    assert_eq!((look.code, look.out.as_str()), (0, "Linux\n"), "{}{}", look.err, host.log());
    for request in
        [&["sh"][..], &["uptime; id"], &["sh -c id"], &["uptime $(id)"], &["uptime\nid"], &["/bin/sh"], &[]]
    {
        let refused = host.ssh(&[], request);
        assert_eq!((refused.code, refused.out.as_str()), (77, ""), "{request:?}: {}", refused.err);
        assert!(refused.err.contains("breakglass-guard: refused ("), "{request:?}: {}", refused.err);
    }
    no_other_way_in(&host);

    let record =
        fs::read_to_string(host.outside(&format!("/var/log/breakglass/guard-{USER}.jsonl"))).unwrap();
    assert!(
        record.contains("\"key\":\"agent-1\"") && record.contains("\"source\":\"127.0.0.1\""),
        "{record}"
    );
    let check = host.ask(&[INSTALLED, "check"]);
    assert_eq!(check.code, 0, "{}", check.out);
    assert!(!check.out.contains("wrong "), "{}", check.out);

    // The second time changes nothing.
    let first = host.tree();
    host.installed(&["--from", "127.0.0.0/8", "--label", "agent-1"]);
    assert_eq!(difference(&first, &host.tree()), [""; 0]);

    host.uninstalled();
    assert_eq!(difference(&before, &host.tree()), [""; 0]);
    host.sshd_is_sound().unwrap();
    assert_ne!(host.ssh(&[], &["uname -s"]).code, 0, "nobody is let in afterwards");
    assert!(host.uninstalled().contains("no read-only door"), "a second time finds nothing");
}

/// Terminals, forwarding of every kind, file transfer, passwords and variables.
fn no_other_way_in(host: &Host) {
    let terminal = host.ssh(&["-tt"], &["uname -s"]);
    assert!(terminal.err.contains("PTY allocation request failed"), "{}", terminal.err);
    let forward = host.ssh(&["-W", "127.0.0.1:22"], &[]);
    assert!(forward.code != 0 && !forward.out.contains("SSH-2.0"), "{}{}", forward.out, forward.err);
    let remote = host.ssh(&["-o", "ExitOnForwardFailure=yes", "-R", "2222:127.0.0.1:22"], &["uname -s"]);
    assert!(remote.code != 0 && remote.err.contains("forwarding failed"), "{}", remote.err);
    let agent = host.sh("eval $(ssh-agent) >/dev/null; echo $SSH_AUTH_SOCK; kill $SSH_AGENT_PID");
    assert!(!agent.is_empty());
    let socket = host.scratch("socket").display().to_string();
    let stream =
        host.ssh(&["-o", "ExitOnForwardFailure=yes", "-R", &format!("{socket}:127.0.0.1:22")], &["uname -s"]);
    assert!(stream.code != 0, "{}", stream.err);

    let key = host.scratch("agent").display().to_string();
    let options = format!(
        "-F /dev/null -i {key} -o BatchMode=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    );
    for line in [
        format!("echo 'get /etc/passwd /tmp/never' | sftp {options} -b - {USER}@127.0.0.1"),
        format!("scp {options} {USER}@127.0.0.1:/etc/passwd {}/never", host.scratch("").display()),
        format!("scp -O {options} {USER}@127.0.0.1:/etc/passwd {}/never", host.scratch("").display()),
        format!(
            "ssh {options} -o PubkeyAuthentication=no -o PreferredAuthentications=password,keyboard-interactive {USER}@127.0.0.1 uname"
        ),
        format!("ssh {options} -s {USER}@127.0.0.1 sftp"),
    ] {
        assert_ne!(host.ask(&["sh", "-c", &line]).code, 0, "{line}");
        assert!(!host.scratch("never").exists(), "{line}");
    }
    let other = host.scratch("other").display().to_string();
    let line = format!("ssh {} {USER}@127.0.0.1 'uname -s'", options.replace(&key, &other));
    assert_ne!(host.ask(&["sh", "-c", &line]).code, 0, "another key opened the door");

    // The settings that follow the include still hold for everybody.
    let root = host.sh("/usr/sbin/sshd -T -C user=root,host=x,addr=127.0.0.1");
    assert!(root.contains("acceptenv LC_*") && root.contains("passwordauthentication yes"), "{root}");
}

#[test]
fn the_account_is_bare_and_what_it_may_write_to_is_its_own_two_directories() {
    let host = Host::new();
    host.installed(&[]);
    let passwd = fs::read_to_string(host.outside("/etc/passwd")).unwrap();
    let line = passwd.lines().find(|line| line.starts_with(&format!("{USER}:"))).unwrap();
    assert!(line.ends_with(":/var/lib/breakglass/home:/bin/sh"), "{line}");
    let uid: u32 = line.split(':').nth(2).unwrap().parse().unwrap();
    assert!(uid != 0 && uid < 1000, "{line}");
    let home = host.outside("/var/lib/breakglass/home");
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
    assert_eq!(fs::metadata(&home).unwrap().permissions().mode() & 0o7777, 0o555);

    let tree =
        host.sh("find /etc /usr/local/lib /var/lib /var/log /run -xdev -newer /etc/ssh/ssh_host_ed25519_key");
    assert!(tree.contains("/etc/ssh/sshd_config.d/00-breakglass-diag.conf"), "{tree}");
    let mut owned: Vec<String> = host
        .sh(&format!("find /etc /usr/local/lib /var/lib /var/log /run /root -user {uid}"))
        .lines()
        .map(str::to_owned)
        .collect();
    owned.sort();
    let expected = [
        "/run/breakglass-guard/looks/breakglass-diag",
        "/run/breakglass-guard/record/guard-breakglass-diag",
        "/var/log/breakglass/guard-breakglass-diag.jsonl",
    ];
    assert_eq!(owned, expected);
    let guard = fs::metadata(host.outside(INSTALLED)).unwrap();
    assert_eq!((guard.uid(), guard.mode() & 0o7777), (0, 0o755));
    // A file that is not group's or others' to write to, anywhere that install has made.
    let writable =
        host.sh("find /etc/ssh /etc/breakglass /usr/local/lib /var/lib/breakglass -perm /022 ! -type l");
    assert_eq!(writable, "");
}

#[test]
fn a_configuration_that_is_there_is_kept_and_comes_back_byte_for_byte() {
    for (text, kept) in [
        (
            "state_dir = \"/run/x\"\n[power]\nbackend = \"qmp\"\nvm = 1\n[power.qmp]\ncommand = [\"/q\"]",
            false,
        ),
        ("[power]\nbackend = \"qmp\"\nvm = 1\nqmp = { command = [\"/q\"] }\n", false),
        ("# mine\n[diag]\ndeny = [\"/srv\"]\n", true),
    ] {
        let host = Host::new();
        let config = host.outside("/etc/breakglass/guard.toml");
        fs::create_dir(config.parent().unwrap()).unwrap();
        fs::write(&config, text).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(config.parent().unwrap(), fs::Permissions::from_mode(0o700)).unwrap();
        let before = host.tree();
        host.installed(&["--with-broker"]);
        host.installed(&[]);
        let now = fs::read_to_string(&config).unwrap();
        assert!(now.starts_with(text), "{now}");
        assert_eq!(now == text, kept, "{now}");
        host.uninstalled();
        assert_eq!(difference(&before, &host.tree()), [""; 0], "{text}");
    }
}

#[test]
fn an_edited_configuration_is_left_and_told() {
    let host = Host::new();
    host.installed(&[]);
    let config = host.outside("/etc/breakglass/guard.toml");
    let text = fs::read_to_string(&config).unwrap() + "deny = [\"/srv\"]\n";
    fs::write(&config, &text).unwrap();
    host.installed(&[]);
    let said = host.ask(&[&host.guard(), "uninstall", "diag"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.err.contains("guard.toml is left where it is: it was edited"), "{}", said.err);
    assert_eq!(fs::read_to_string(&config).unwrap(), text);
}

#[test]
fn keys_add_up_and_a_record_can_be_kept() {
    let host = Host::new();
    host.installed(&[]);
    let other = host.scratch("other.pub").display().to_string();
    let said = host.ask(&[INSTALLED, "install", "diag", "--key", &other]);
    assert_eq!(said.code, 0, "{}", said.err);
    let keys = fs::read_to_string(host.outside(&format!("/etc/ssh/breakglass/{USER}.keys"))).unwrap();
    let labels: Vec<&str> = keys
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit(' ').next())
        .collect();
    assert_eq!(labels, ["an-agent", "other"], "{keys}");
    assert!(keys.lines().skip(1).all(|line| line.starts_with("restrict,command=\"")), "{keys}");

    let said = host.ask(&[&host.guard(), "uninstall", "diag", "--keep-record"]);
    assert_eq!(said.code, 0, "{}", said.err);
    let record = fs::metadata(host.outside(&format!("/var/log/breakglass/guard-{USER}.jsonl"))).unwrap();
    assert_eq!((record.uid(), record.mode() & 0o7777), (0, 0o600));
}

#[test]
fn an_image_gets_the_door_and_this_host_does_not() {
    let host = Host::new();
    let image = host.scratch("image").display().to_string();
    let etc = host.scratch("image-etc").display().to_string();
    host.sh(&format!("cp -a /etc {etc} && mkdir -p {image}"));
    let mut mounts = format!("mount --bind / {image} && mount --bind {etc} {image}/etc");
    for name in ["usr/local/lib", "var/lib", "var/log", "run"] {
        let own = host.scratch(&format!("image-{}", name.replace('/', "-"))).display().to_string();
        mounts.push_str(&format!(" && mkdir -p {own} && mount --bind {own} {image}/{name}"));
    }
    // The image's own /dev is bare; its tools want a null device.
    mounts.push_str(&format!(" && mount --bind /dev {image}/dev"));
    host.sh(&mounts);
    let before = host.tree();
    let printed = host.installed(&["--root", &image]);
    assert!(printed.contains("Host HOST-diag"), "{printed}");
    assert_eq!(difference(&before, &host.tree()), [""; 0]);
    host.sh(&format!("chroot {image} /usr/sbin/sshd -T -C user={USER},host=x,addr=127.0.0.1 | grep -q '^permittty no' || mkdir -p {image}/run/sshd && chroot {image} /usr/sbin/sshd -t"));
    host.sh(&format!("grep -q ^{USER}: {etc}/passwd && test -s {image}/etc/ssh/breakglass/{USER}.keys"));
    let said = host.ask(&[&host.guard(), "uninstall", "diag", "--root", &image]);
    assert_eq!(said.code, 0, "{}", said.err);
    host.sh(&format!("! grep -q ^{USER}: {etc}/passwd && ! test -e {image}/etc/ssh/breakglass"));
}
