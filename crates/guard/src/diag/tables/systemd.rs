//! The sets `systemd` and `journal`: units, the journal, the kernel's log, host, time and sessions.

use crate::diag::grammar::{Command, Draft, NOTHING, PROGRAM, SOCKETS, shape};
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::{Refusal, Rule};
use breakglass_redact::Shape;

pub(crate) const COMMANDS: &[Command] = &[
    Command {
        names: "systemctl",
        set: "systemd",
        lead: "--no-pager",
        needs: SOCKETS,
        rows: &["
            -a --all
            -l --full
            -q --quiet
            -r --recursive
            -t --type = list(service|socket|timer|mount|automount|target|path|slice|scope|swap|device|failed|help)
            --state = list(active|inactive|failed|activating|deactivating|reloading|maintenance|running|exited|dead|waiting|listening|mounted|plugged|elapsed|auto-restart|start-pre|start|start-post|stop|loaded|not-found|bad-setting|error|masked|enabled|disabled|static|indirect|generated|transient|alias|linked|enabled-runtime|linked-runtime|masked-runtime|refreshing)
            --failed
            --legend = one(true|false|yes|no|0|1)
            --no-legend
            --no-pager %drop
            --no-ask-password %drop
            --plain
            --system %drop
            -T --show-types
            --timestamp = one(pretty|us|µs|utc|us+utc|unix)
            -n --lines = lines(1000) @status
            -o --output = one(short|short-full|short-iso|short-iso-precise|short-precise|short-monotonic|short-unix|cat) @status
            -o --output = one(json|json-pretty|short) @list-units,list-unit-files,list-timers,list-sockets,list-jobs
            -p --property = prop @show
            -P = prop @show
            --value @show
            --reverse @list-dependencies
            --after @list-dependencies,list-jobs
            --before @list-dependencies,list-jobs
        "],
        verbs: "
            :
            status : unit*32
            show : unit*32
            cat : unitname+8
            is-active : unit+32
            is-failed : unit*32
            is-enabled : unit+32
            is-system-running :
            get-default :
            list-units : unit*16
            list-unit-files : unit*16
            list-sockets : unit*16
            list-timers : unit*16
            list-paths : unit*16
            list-automounts : unit*16
            list-jobs : unit*16
            list-dependencies : unit*4
        ",
        last: Some(systemctl),
        ..PROGRAM
    },
    Command {
        names: "journalctl",
        set: "journal",
        lead: "--no-pager",
        needs: NOTHING,
        rows: &["
            -u --unit = unit
            --user-unit = unit
            -n --lines =+ lines(10000)
            -k --dmesg
            -b --boot =+ boot
            -S --since = time
            -U --until = time
            -p --priority = priority
            -o --output = one(short|short-full|short-iso|short-iso-precise|short-precise|short-monotonic|short-delta|short-unix|cat|with-unit|json)
            --output-fields = fieldname
            -r --reverse
            -x --catalog
            -e --pager-end %drop
            -q --quiet
            -a --all
            -l --full
            --no-full
            --no-hostname
            --no-pager %drop
            --utc
            --truncate-newline
            -t --identifier = word
            -T --exclude-identifier = word
            -g --grep = pattern
            --case-sensitive =? one(true|false|yes|no)
            --facility = list(kern|user|mail|daemon|auth|syslog|lpr|news|uucp|cron|authpriv|ftp|local0|local1|local2|local3|local4|local5|local6|local7)
            -c --cursor = cursor
            --after-cursor = cursor
            --show-cursor
            --system
            -F --field = fieldname
            -N --fields
            --list-boots
            --disk-usage
        "],
        verbs: ": match*16",
        rules: "add --lines=1000 unless --lines --field --fields --list-boots --disk-usage: no -n was given: of the entries the last 1000 are shown",
        last: Some(shape::journal),
        ..PROGRAM
    },
    Command {
        names: "dmesg",
        set: "journal",
        lead: "--nopager",
        rows: &["
            -T --ctime
            -k --kernel
            -u --userspace
            -x --decode
            -r --raw
            -t --notime
            -d --show-delta
            -e --reltime
            -p --force-prefix
            -J --json
            -S --syslog
            -P --nopager %drop
            -L --color =? one(never|auto|always) %drop
            -l --level = list(emerg|alert|crit|err|warn|notice|info|debug|err+|warn+|crit+)
            -f --facility = list(kern|user|mail|daemon|auth|syslog|lpr|news|cron|authpriv|ftp|local0|local1|local2|local3|local4|local5|local6|local7)
            --since = time
            --until = time
            --time-format = one(ctime|reltime|delta|notime|iso|raw)
        "],
        ..PROGRAM
    },
    Command { names: "hostnamectl", set: "systemd", needs: SOCKETS, rows: &["--json = one(short|pretty)"], verbs: "status? :", ..PROGRAM },
    Command {
        names: "timedatectl",
        set: "systemd",
        lead: "--no-pager",
        needs: SOCKETS,
        rows: &["
            --no-pager %drop
            -a --all
            -p --property = prop
            --value
        "],
        verbs: "
            status :
            show :
            timesync-status :
            show-timesync :
            :
        ",
        ..PROGRAM
    },
    Command {
        names: "loginctl",
        set: "systemd",
        lead: "--no-pager",
        needs: SOCKETS,
        rows: &["
            --no-pager %drop
            --no-legend
            -a --all
            -l --full
            -n --lines = lines(200)
            -p --property = prop
            --value
        "],
        verbs: "
            list-sessions :
            list-users :
            list-seats :
            session-status : name*8
            user-status : user*8
            seat-status : name*4
            show-session : name+8
            show-user : user+8
            :
        ",
        ..PROGRAM
    },
];

/// `show` is masked by its properties, and `cat` never shows every unit's file at once.
fn systemctl(draft: &mut Draft, _: &DiagPolicy) -> Result<(), Refusal> {
    if draft.verb_is("show") {
        draft.shape = Shape::Properties;
        let values_only = draft.has("--value") || draft.has("-P");
        if values_only && draft.value("--property").or(draft.value("-P")).is_none() {
            return Err(Refusal {
                rule: Rule::Option,
                reason: "`systemctl show --value` without a property shows values without their names"
                    .to_owned(),
                hint: "name the properties with -p".to_owned(),
            });
        }
    }
    Ok(())
}
