//! Every row of the corpus, rows of our own, and properties of whatever is accepted.

#[path = "../../../tests/guard/cells.rs"]
mod cells;
mod own;
mod properties;

use super::explain::explain;
use super::*;
use crate::diag::grammar::shape;
use breakglass_redact::Shape;

struct Row {
    cells: Vec<Vec<u8>>,
}

impl Row {
    fn text(&self, at: usize) -> String {
        self.cells.get(at).map(|cell| String::from_utf8_lossy(cell).into_owned()).unwrap_or_default()
    }
}

fn rows(name: &str, least: usize) -> Vec<Row> {
    let ours = format!("{}/tests/data/{name}", env!("CARGO_MANIFEST_DIR"));
    // Another corpus of the same form, such as a larger one.
    let other = std::env::var("BREAKGLASS_CORPUS").ok().map(|directory| format!("{directory}/{name}"));
    let path = other.filter(|other| std::path::Path::new(other).exists()).unwrap_or(ours);
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .skip(1)
        .map(|line| Row { cells: line.split('\t').map(|cell| cells::repeat(cells::decode(cell))).collect() })
        .collect();
    assert!(rows.len() >= least, "{name} is not whole");
    rows
}

fn judge(request: &[u8]) -> Result<Accepted, Refusal> {
    match decide(&DiagPolicy::default(), Some(request)) {
        Decision::Allow(accepted) => Ok(accepted),
        Decision::Deny(refusal) => Err(refusal),
    }
}

fn plan(request: &str) -> Plan {
    judge(request.as_bytes()).unwrap_or_else(|refusal| panic!("{request}: {refusal}")).plan
}

fn arguments(request: &str) -> Vec<String> {
    match plan(request).source {
        Source::Program(program) => program.arguments,
        Source::Native(_) => panic!("{request} is native"),
    }
}

#[test]
fn every_allowed_row_is_allowed() {
    let wrong: Vec<String> = rows("diag-allow.tsv", 109)
        .iter()
        .filter_map(|row| {
            judge(&row.cells[1]).err().map(|refusal| format!("{}\t{}\t{refusal}", row.text(0), row.text(1)))
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn settled_questions_stay_settled() {
    let refused = "G01 G04 G05 G06 G08 G13 G14 G15 G18 G19 G28 G29 G30 G34 G35 G38 G40";
    let rows = rows("diag-decisions.tsv", 42);
    let wrong: Vec<String> = rows
        .iter()
        .filter(|row| judge(&row.cells[1]).is_err() != refused.split(' ').any(|id| id == row.text(0)))
        .map(|row| format!("{}\t{}\t{:?}", row.text(0), row.text(1), judge(&row.cells[1]).err()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // The word is the guard's; the table and the decisions must say the same.
    for row in &rows {
        let says_refuse = row.text(3).starts_with("refuse") || row.text(3).starts_with("point to");
        assert_eq!(says_refuse, refused.split(' ').any(|id| id == row.text(0)), "{}", row.text(0));
    }
}

#[test]
fn every_denied_row_is_refused_unless_the_file_system_decides() {
    let mut judged = 0;
    let mut wrong = Vec::new();
    for row in rows("diag-deny.tsv", 535) {
        let (expect, precondition) = (row.text(6), row.text(4));
        let request = (precondition != "note:SSH_ORIGINAL_COMMAND is the empty string")
            .then_some(row.cells[2].as_slice());
        let decision = decide(&DiagPolicy::default(), request);
        // What a name leads to is judged when it is opened; what the record or the environment is like, by the door.
        let elsewhere =
            ["symlink:", "hardlink:", "bind:", "race:", "fifo:", "note:audit", "note:unix socket"]
                .iter()
                .any(|kind| precondition.starts_with(kind))
                || !row.cells[3].is_empty();
        if matches!(expect.as_str(), "refuse" | "policy-refuse" | "unreachable") && !elsewhere {
            judged += 1;
            // Settled the other way by diag-decisions.tsv: a PID, a bare `top`, masked objects.
            let settled =
                ["D0502", "D0856", "D0939"].contains(&row.text(0).as_str()) && expect == "policy-refuse";
            if matches!(decision, Decision::Allow(_)) != settled {
                wrong.push(format!("{}\t{}\t{}", row.text(0), row.text(2), row.text(5)));
            }
        }
        if expect == "inert" && row.text(2) != "systemctl status" && matches!(decision, Decision::Deny(_)) {
            wrong.push(format!("{}\t{} is refused", row.text(0), row.text(2)));
        }
    }
    assert!(judged > 440, "{judged}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_has_no_end_gets_one_and_says_so() {
    for (request, argument, note) in [
        ("journalctl", "--lines=1000", "1000"),
        ("journalctl -u nginx", "--lines=1000", "1000"),
        ("journalctl --since yesterday", "--lines=1000", "1000"),
        ("journalctl -xe", "--lines=1000", "1000"),
        ("journalctl -n 99999999", "--lines=10000", "bounded to 10000"),
        ("journalctl --lines=all", "--lines=10000", "bounded"),
        ("systemctl status --lines=99999999", "--lines=1000", "bounded"),
        ("docker logs traefik", "--tail=1000", "1000"),
        ("docker logs -n 999999 traefik", "--tail=5000", "bounded"),
        ("podman logs x", "--tail=1000", "1000"),
        ("kubectl logs x", "--tail=1000", "1000"),
        ("last", "--limit=200", "200"),
    ] {
        assert!(arguments(request).iter().any(|it| it == argument), "{request}: {:?}", arguments(request));
        assert!(
            plan(request).notes.iter().any(|it| it.contains(note)),
            "{request}: {:?}",
            plan(request).notes
        );
    }
    for (request, added) in [
        ("journalctl -n 5", false),
        ("journalctl --list-boots", false),
        ("journalctl --disk-usage", false),
        ("journalctl -F _SYSTEMD_UNIT", false),
        ("docker logs --tail 5 x", false),
    ] {
        assert_eq!(!plan(request).notes.is_empty(), added, "{request}");
    }
    assert_eq!(arguments("top -b"), ["-b", "-n", "1"]);
    assert_eq!(arguments("ping -c 3 example.org"), ["-c", "3", "-w", "20", "example.org"]);
}

#[test]
fn argv_is_rebuilt_from_the_parsed_form() {
    for (request, expected) in [
        ("systemctl status nginx --no-pager -l", "--no-pager status --full nginx"),
        ("/usr/bin/systemctl --failed", "--no-pager --failed"),
        ("systemctl -n5 status 1234", "--no-pager status --lines=5 1234"),
        ("journalctl -u ssh -n20 -b -1 --no-pager", "--no-pager --unit=ssh --lines=20 --boot=-1"),
        ("journalctl -kb -n 1", "--no-pager --dmesg --boot --lines=1"),
        ("ip a", "addr show"),
        ("ip -4 a s dev eth0", "-4 addr show dev eth0"),
        ("ip -s link", "-s link show"),
        ("ip -4 route show table main", "-4 route show table main"),
        ("ip r get 192.0.2.1", "route get 192.0.2.1"),
        ("nft list ruleset -a", "--handle list ruleset"),
        ("nft -a list chain inet filter input", "--handle list chain inet filter input"),
        ("iptables -nvL INPUT", "--numeric --verbose --list=INPUT"),
        ("docker logs homeassistant --tail 50", "logs --tail=50 homeassistant"),
        ("docker container ls -a", "container ls --all"),
        ("kubectl -n x get pods", "--request-timeout=20s get --namespace=x pods"),
        ("dig MX example.org +short", "-r +short MX example.org"),
        ("dig @192.168.1.2 example.com +time=2", "-r +time=2 @192.168.1.2 example.com"),
        ("ps aux --sort=-%cpu", "--sort=-%cpu aux"),
        ("ps -aux", "aux"),
        ("ps -eo pid,cmd", "-A --format=pid,cmd"),
        ("blkid /dev/sda1", "-c /dev/null /dev/sda1"),
        ("smartctl -d sat+megaraid,4 -A /dev/sda", "--device=sat+megaraid,4 --attributes /dev/sda"),
        ("virsh list --all", "--readonly --connect=qemu:///system list --all"),
        ("top -bn1 -o %CPU", "-b -n 1 -o %CPU"),
        ("btrfs fi df /srv", "filesystem df /srv"),
        ("date '+%F %T'", "+%F %T"),
    ] {
        assert_eq!(arguments(request).join(" "), expected, "{request}");
    }
}

#[test]
fn native_commands_have_canonical_names() {
    let shown = |request: &str| {
        let plan = plan(request);
        let Source::Native(first) = &plan.source else { panic!("{request}") };
        let all: Vec<String> = std::iter::once(first)
            .chain(&plan.filters)
            .map(|parsed| {
                let mut out = vec![parsed.command.to_owned()];
                out.extend(parsed.options.iter().map(|it| match &it.value {
                    Some(value) => format!("{}={value}", it.name),
                    None => it.name.to_owned(),
                }));
                out.extend(
                    parsed
                        .operands
                        .iter()
                        .map(|it| format!("{}{}", it.text, if it.glob { "{glob}" } else { "" })),
                );
                out.join(" ")
            })
            .collect();
        all.join(" | ")
    };
    for (request, expected) in [
        ("tail -20 /var/log/x", "tail --lines=20 /var/log/x"),
        ("tail -n +1 /var/log/x", "tail --lines=+1 /var/log/x"),
        ("ls -la /var/log", "ls -l --all /var/log"),
        ("ls /var/log/*.log", "ls /var/log/*.log{glob}"),
        ("ls '/var/log/*.log'", "ls /var/log/*.log"),
        ("grep -A4 -i x /a", "grep --after-context=4 --ignore-case x /a"),
        ("grep -3 x /a", "grep --context=3 x /a"),
        ("grep -e x -e -y /a", "grep --regexp=x --regexp=-y /a"),
        ("grep -- '-1' /a", "grep -1 /a"),
        (
            "grep -rn --include='*.log' x /var/log",
            "grep --recursive --line-number --include=*.log x /var/log",
        ),
        (
            "find /var -xdev \\( -name a -or -name 'b*' \\) -not -type d",
            "find -xdev ( -name=a -o -name=b* ) ! -type=d /var",
        ),
        (
            "cat /etc/hosts | tr -s ' ' | cut -d' ' -f4 | sort -rn | uniq -c | head -10 | nl -ba | tac",
            "cat /etc/hosts | tr --squeeze-repeats   | cut --delimiter=  --fields=4 | sort --reverse --numeric-sort | uniq --count | head --lines=10 | nl --body-numbering=a | tac",
        ),
        ("cat /a | sort -t: -k2,2n -k1", "cat /a | sort --field-separator=: --key=2,2n --key=1"),
        ("stat -c '%a %n' /etc/hosts", "stat --format=%a %n /etc/hosts"),
    ] {
        assert_eq!(shown(request), expected, "{request}");
    }
}

#[test]
fn output_is_redacted_by_its_shape() {
    let shape = |request: &str| match plan(request).source {
        Source::Program(program) => program.shape,
        Source::Native(_) => Shape::Text,
    };
    for (request, expected) in [
        ("journalctl -o json -n 2", Shape::JsonLines),
        ("journalctl -o cat -n 2", Shape::Text),
        ("systemctl show nginx", Shape::Properties),
        ("systemctl cat nginx", Shape::Text),
        ("docker inspect x", Shape::ContainerJson),
        ("docker container inspect x", Shape::ContainerJson),
        ("docker inspect -f '{{.State.Status}}' x", Shape::Text),
        ("docker ps --format json", Shape::JsonLines),
        ("kubectl get pod x -o yaml", Shape::KubernetesYaml),
        ("kubectl get pod x -ojson", Shape::KubernetesJson),
        ("kubectl get pods", Shape::Text),
    ] {
        assert_eq!(shape(request), expected, "{request}");
    }
    let _: crate::diag::grammar::Last = shape::journal;
}

#[test]
fn each_class_has_its_hint() {
    for (request, rule, hint) in [
        ("sudo journalctl -u nginx", Rule::UnknownCommand, "leave it out"),
        ("lsof -i", Rule::UnknownCommand, "ss"),
        ("ipmitool sensor", Rule::UnknownCommand, "sensors"),
        ("netstat -tlnp", Rule::UnknownCommand, "ss"),
        ("ifconfig", Rule::UnknownCommand, "ip addr"),
        ("service nginx status", Rule::UnknownCommand, "systemctl status"),
        ("less /var/log/syslog", Rule::UnknownCommand, "cat"),
        ("watch df", Rule::UnknownCommand, "ask again"),
        ("htop", Rule::UnknownCommand, "top -b"),
        ("systemclt status", Rule::UnknownCommand, "`systemctl`"),
        ("journalctl -f", Rule::Option, "--since"),
        ("tail -F /var/log/syslog", Rule::Option, "nothing follows"),
        ("journalctl --unti now", Rule::Option, "`--until`"),
        ("systemctl restart nginx", Rule::Operand, "status"),
        ("df -h || true", Rule::Syntax, "exit codes are passed through"),
        ("cat hosts", Rule::Operand, "absolute"),
        ("cat /etc/shadow", Rule::DeniedPlace, "nobody"),
        ("cat /proc/kmsg", Rule::DeniedPlace, ""),
        ("grep -r x /etc", Rule::DeniedPlace, "narrower"),
        ("uptime | awk 1", Rule::UnknownCommand, "grep, cut"),
        ("uptime | df", Rule::UnknownCommand, "stands first"),
        ("sort x", Rule::UnknownCommand, "behind"),
        ("ping example.org", Rule::Option, "-c 3"),
        ("top", Rule::Option, "top -b"),
        ("docker stats", Rule::Option, "--no-stream"),
        ("dig @8.8.8.8 example.org", Rule::Operand, "resolvers"),
    ] {
        let refusal = judge(request.as_bytes()).unwrap_err();
        assert_eq!(refusal.rule, rule, "{request}: {refusal}");
        assert!(refusal.hint.contains(hint), "{request}: {refusal}");
        assert!(refusal.reason.is_ascii() && refusal.reason.len() < 400, "{request}: {refusal}");
    }
}

#[test]
fn the_configuration_takes_sets_away_and_adds_commands() {
    let policy = DiagPolicy {
        sets_off: ["kubernetes".to_owned(), "filters".to_owned()].into(),
        denied: vec!["/srv/private".to_owned()],
        kubeconfig: Some("/etc/breakglass/kubeconfig".into()),
        resolvers: vec!["192.0.2.53".parse().unwrap()],
        extra: vec![crate::diag::policy::ExtraCommand {
            name: "nvidia-smi".to_owned(),
            path: "/usr/bin/nvidia-smi".into(),
            flags: vec!["-L".to_owned(), "--list".to_owned()],
            options: vec!["--id".to_owned()],
            operands: vec!["topo".to_owned()],
            unix_sockets: false,
        }],
        ..DiagPolicy::default()
    };
    let rule = |request: &str| match decide(&policy, Some(request.as_bytes())) {
        Decision::Allow(_) => None,
        Decision::Deny(refusal) => Some(refusal.rule),
    };
    for (request, expected) in [
        ("kubectl get pods", Some(Rule::Disabled)),
        ("df | head", Some(Rule::Disabled)),
        ("cat /srv/private/x", Some(Rule::DeniedPlace)),
        ("dig @192.0.2.53 example.org", None),
        ("dig @192.168.1.2 example.org", Some(Rule::Operand)),
        ("nvidia-smi", None),
        ("nvidia-smi -L topo", None),
        ("/usr/bin/nvidia-smi --id=0", None),
        ("nvidia-smi --id 0", None),
        ("nvidia-smi --id", Some(Rule::Option)),
        ("nvidia-smi --id ../x", Some(Rule::Option)),
        ("nvidia-smi --id -x", Some(Rule::Option)),
        ("nvidia-smi --id '0;1'", Some(Rule::Option)),
        ("nvidia-smi --lis", Some(Rule::Option)),
        ("nvidia-smi -LL", Some(Rule::Option)),
        ("nvidia-smi pmon", Some(Rule::Operand)),
        ("/tmp/nvidia-smi", Some(Rule::UnknownCommand)),
    ] {
        assert_eq!(rule(request), expected, "{request}");
    }
    let on = DiagPolicy { kubeconfig: policy.kubeconfig.clone(), ..DiagPolicy::default() };
    let Decision::Allow(accepted) = decide(&on, Some(b"kubectl get pods")) else {
        panic!("kubectl is refused")
    };
    let Source::Program(program) = accepted.plan.source else { panic!("kubectl is native") };
    assert!(program.arguments.contains(&"--kubeconfig=/etc/breakglass/kubeconfig".to_owned()));
}

#[test]
fn an_explanation_names_each_word_and_the_line_that_allowed_it() {
    let policy = DiagPolicy::default();
    let text = explain(&policy, b"journalctl -u nginx | grep -i error");
    for part in [
        "journalctl",
        "-u --unit = unit",
        "nginx",
        "filter",
        "--ignore-case",
        "allowed",
        "--lines=1000",
        "note:",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let text = explain(&policy, b"journalctl --vacuum-size=1M");
    for part in ["refused (option)", "--vacuum-size", "hint:", "-n --lines =+ lines(10000)"] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
}
