//! What is nearest to a word that no table has, for hints.

use super::scan::{first, verbs};
use super::{Command, lines, word_of};

/// What people type that this door has under another name, or not at all for a reason.
const INSTEAD: &[(&str, &str)] = &[
    ("sudo doas run0 pkexec su", "leave it out: what needs privilege goes through the broker by itself"),
    ("lsof fuser netstat", "ask `ss -tulpn` or `ss -tnp`"),
    ("ifconfig", "ask `ip addr` or `ip -s link`"),
    ("route arp brctl bridge ethtool", "ask `ip route`, `ip neigh` or `ip -d link`"),
    ("service rc-service initctl chkconfig", "ask `systemctl status UNIT`"),
    ("less more most vi vim view nano emacs bat", "ask `cat FILE`, `head -n 100 FILE` or `tail -n 100 FILE`"),
    ("watch", "send the bare command and ask again"),
    ("htop atop btop glances", "ask `top -b -n 1` or `ps aux --sort=-%cpu`"),
    ("iotop", "ask `iostat -dx 1 2` or `cat /proc/pressure/io`"),
    ("nmon sar dstat pidstat", "ask `vmstat 1 3`, `mpstat 1 2` or `iostat -dx 1 2`"),
    ("ipmitool ipmi-sensors", "ask `sensors`"),
    (
        "awk gawk mawk sed perl python python3 jq yq",
        "filter with grep, cut, tr, sort, uniq, head, tail or wc",
    ),
    ("xargs tee parallel", "send one command a connection"),
    (
        "bash sh zsh dash fish ash env time timeout nice ionice nohup exec command stdbuf setsid chroot unshare nsenter",
        "send the bare command; nothing is run by a shell or another program here",
    ),
    ("curl wget nc ncat telnet nmap traceroute mtr tracepath", "ask `ping -c 3 HOST`, `dig NAME` or `ss -s`"),
    ("nslookup", "ask `dig NAME` or `resolvectl query NAME`"),
    ("egrep", "ask `grep -E`"),
    ("fgrep", "ask `grep -F`"),
    ("rgrep rg ag ack", "ask `grep -rn PATTERN /absolute/directory`"),
    ("locate which whereis type fd", "ask `find /absolute/directory -name NAME`"),
    ("zgrep zless zmore xzcat bzcat zstdcat gzip gunzip", "ask `zcat FILE | grep PATTERN`"),
    ("tree dir vdir", "ask `ls -la DIRECTORY` or `find DIRECTORY -maxdepth 2`"),
    ("crictl nerdctl ctr docker-compose", "ask `docker ps` or `kubectl get pods -A`"),
    ("apt apt-get dnf yum pacman apk zypper", "ask `dpkg -l NAME` or `rpm -q NAME`"),
    ("sysctl", "ask `cat /proc/sys/NAME`, such as /proc/sys/vm/swappiness"),
    ("strings od xxd hexdump base64", "ask `cat`, `head` or `tail`"),
    ("echo printf true false", "nothing is echoed here; ask for what you want to see"),
    ("pgrep pidof", "ask `ps -C NAME` or `ps aux | grep NAME`"),
    ("w users", "ask `who`"),
    ("hostname", "ask `hostnamectl`"),
    ("scp sftp sftp-server internal-sftp rsync", "read files with `cat`; this door passes no files on"),
    ("reboot poweroff halt shutdown", "ask the power door of this machine"),
    ("sh ssh", "ask the other host's own door"),
];

/// A word of a request, escaped and short, for a sentence.
pub(crate) fn shown(text: &str) -> String {
    let mut out: String = text.chars().flat_map(char::escape_default).take(80).collect();
    if text.len() > 80 {
        out.push_str("...");
    }
    out
}

/// The nearest thing to a command that is not here.
pub(crate) fn command(all: &[&'static [Command]], name: &str) -> String {
    let bare = name.rsplit('/').next().unwrap_or(name);
    if let Some((_, hint)) = INSTEAD.iter().find(|(names, _)| word_of(names, bare).is_some()) {
        return (*hint).to_owned();
    }
    let names =
        all.iter().flat_map(|commands| commands.iter()).flat_map(|it| it.names.split_ascii_whitespace());
    match nearest(names, bare) {
        Some(near) => format!("`{near}` is here"),
        None => {
            "`systemctl`, `journalctl`, `ps`, `df`, `ss`, `ip`, `cat`, `grep`, `find` and others are here"
                .to_owned()
        }
    }
}

/// The nearest option.
pub(crate) fn option(command: &Command, name: &str, verb: &[&str], option: &str) -> String {
    if matches!(option, "--follow" | "-F")
        || option == "-f" && matches!(name, "journalctl" | "tail" | "docker" | "podman" | "kubectl")
    {
        return "nothing follows here: ask again, with `--since` or a larger `-n`".to_owned();
    }
    if matches!(option, "-w" | "--watch" | "--watch-only") && name == "kubectl" {
        return "nothing watches here: ask again".to_owned();
    }
    let spellings = || {
        command
            .rows()
            .filter(|row| row.applies(verb))
            .flat_map(|row| row.spellings().collect::<Vec<_>>())
            .filter(|name| *name != "-#")
    };
    if let Some(near) = nearest(spellings().filter(|it| it.len() > 2), option) {
        return format!("`{near}` is");
    }
    let all: Vec<&str> = spellings().take(24).collect();
    if all.is_empty() {
        format!("`{name}` takes no option here")
    } else {
        format!("it takes {}", all.join(" "))
    }
}

/// The verbs that there are.
pub(crate) fn verb(command: &Command, so_far: &[&str]) -> String {
    let mut all = String::new();
    for (path, _) in verbs(command) {
        let mut steps = path.split_ascii_whitespace();
        if so_far.iter().all(|word| steps.next().is_some_and(|step| first(step) == *word))
            && let Some(step) = steps.next()
            && !all.split(' ').any(|known| known == first(step))
        {
            all.push(' ');
            all.push_str(first(step));
        }
    }
    if all.is_empty() {
        "it has no verbs: send it with options alone".to_owned()
    } else {
        format!("it has{all}")
    }
}

/// A longer word is like nothing that a table has.
const LONGEST: usize = 40;

/// The nearest of these, if one is near.
fn nearest<'a>(all: impl Iterator<Item = &'a str>, text: &str) -> Option<&'a str> {
    if text.len() > LONGEST {
        return None;
    }
    let most = (1 + text.len() / 4).min(text.len().saturating_sub(1));
    // What differs by more letters in its length alone need not be looked into: most words, on a way that costs.
    let near = all.filter(|it| it.len().abs_diff(text.len()) <= most);
    let (best, distance) = near
        .map(|it| (it, distance(it.as_bytes(), text.as_bytes())))
        .min_by_key(|(_, distance)| *distance)?;
    (distance <= most).then_some(best)
}

/// How many letters have to be put in, taken out or changed; of `b`, the first forty count.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: [usize; LONGEST + 1] = std::array::from_fn(|at| at);
    let mut whole = b.len().min(LONGEST);
    for (i, x) in a.iter().enumerate() {
        let (mut diagonal, mut left) = (i, i + 1);
        for (above, y) in row.iter_mut().skip(1).zip(b) {
            left = (diagonal + usize::from(x != y)).min(*above + 1).min(left + 1);
            diagonal = std::mem::replace(above, left);
        }
        whole = left;
    }
    whole
}

/// The options and verbs of a command, for `--explain NAME`.
pub(crate) fn table(command: &Command) -> impl Iterator<Item = &'static str> {
    lines(command.verbs).chain(command.rows.iter().flat_map(|text| lines(text))).chain(lines(command.rules))
}
