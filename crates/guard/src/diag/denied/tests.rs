//! Paths by what is said of them.

use super::*;

fn why(path: &str) -> Option<&'static str> {
    denied(&DiagPolicy::default(), path.as_bytes())
}

#[test]
fn secrets_are_denied_in_every_spelling() {
    for path in include_str!("../../../tests/data/denied-paths.txt").lines() {
        assert!(why(path).is_some(), "{path}");
    }
}

#[test]
fn what_people_look_at_is_not() {
    for path in include_str!("../../../tests/data/open-paths.txt").lines() {
        assert_eq!(why(path), None, "{path}");
    }
}

#[test]
fn procfs_and_sysfs_are_read_by_a_list() {
    for path in [
        "/proc/cpuinfo",
        "/proc/loadavg",
        "/proc/net/dev",
        "/proc/812/net/tcp",
        "/proc/pressure/io",
        "/proc/1/status",
        "/proc/1/cmdline",
        "/proc/cmdline",
        "/proc/sys/vm/swappiness",
        "/proc/self/mounts",
        "/proc/mounts",
        "/sys/class/net/eth0/operstate",
        "/sys/class/net/eth0/statistics/rx_bytes",
        "/sys/devices/pci0000:00/0000:00:1f.6/net/eno1/speed",
        "/sys/class/hwmon/hwmon0/temp1_input",
        "/sys/devices/platform/coretemp.0/hwmon/hwmon3/temp1_label",
        "/sys/block/sda/stat",
        "/sys/block/sda/queue/scheduler",
        "/sys/devices/virtual/block/dm-0/dm/name",
        "/sys/fs/cgroup/system.slice/memory.current",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
        "/sys/class/thermal/thermal_zone0/temp",
    ] {
        assert!(pseudo_allowed(path.as_bytes()), "{path}");
    }
    for path in [
        "/proc/kmsg",
        "/proc/1/environ",
        "/proc/self/mountinfo",
        "/proc/1/root/etc/hosts",
        "/proc/sysrq-trigger",
        "/proc/1/stack",
        "/proc/self/task/1/root/etc/shadow",
        "/proc/bus/pci/00/00.0",
        "/proc/fs/nfsd/filehandle",
        "/proc/1/fdinfo/3",
        "/proc/kpagecount",
        "/proc/sys/net/ipv6/conf/all/stable_secret",
        "/sys/kernel/debug/kmemleak",
        "/sys/power/wakeup_count",
        "/sys/bus/pci/devices/0000:00:02.0/resource0",
        "/sys/firmware/efi/efivars/x",
        "/sys/kernel/security/apparmor/policy",
        "/sys/class/net/eth0/../../x",
        "/sys/class/net/eth0/device/resource0",
        "/sys/devices/pci0000:00/0000:00:1f.6/config",
        "/proc/x/status",
        "/proc/1/status/x",
        "/etc/passwd",
    ] {
        assert!(!pseudo_allowed(path.as_bytes()), "{path}");
    }
}

#[test]
fn configuration_adds_denials_and_never_takes_one_back() {
    let policy = DiagPolicy {
        denied: vec!["/srv/private".to_owned(), "**/*.sql".to_owned()],
        allowed: vec!["/etc/shadow".to_owned(), "/proc/kallsyms".to_owned(), "/sys/class/x".to_owned()],
        ..DiagPolicy::default()
    };
    for path in [
        "/srv/private",
        "/srv/private/a",
        "/tmp/dump.sql",
        "/tmp/dump.sql.gz",
        "/etc/shadow",
        "/proc/kallsyms",
    ] {
        assert!(denied(&policy, path.as_bytes()).is_some(), "{path}");
    }
    assert_eq!(denied(&policy, b"/srv/public"), None);
    assert!(opened(&policy, b"/sys/class/x/y") && !opened(&policy, b"/sys/class/z"));
}

#[test]
fn a_search_is_told_where_denied_places_lie() {
    let policy = DiagPolicy::default();
    for path in ["/", "/etc", "/etc/ssh", "/var", "/var/lib", "/proc/", "/run"] {
        assert!(holds_denied(&policy, path.as_bytes()), "{path}");
    }
    for path in ["/var/log", "/etc/nginx", "/srv", "/etc/systemd/system"] {
        assert!(!holds_denied(&policy, path.as_bytes()), "{path}");
    }
}

#[test]
fn wildcards_are_those_three() {
    for (pattern, text, expected) in [
        ("a*c", "abbc", true),
        ("a*c", "abb", false),
        ("*.key", "x.key", true),
        ("*.key", ".key", true),
        ("core.#*", "core.123", true),
        ("core.#*", "core.rs", false),
        ("?", "", false),
        ("*a*b*", "xxaxxbxx", true),
        ("#", "#", false),
    ] {
        assert_eq!(wildcard(pattern.as_bytes(), text.as_bytes()), expected, "{pattern} {text}");
    }
}
