//! The guard's own command line: what the forced command says, and what the guard says to its own children.
//!
//! The client's request is not read here; it never reaches the command line.

use breakglass_chain::Tip;
use breakglass_protocol::{OperationId, Verb, VmName};
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Where the configuration is looked for unless the forced command says otherwise.
const DEFAULT_CONFIG: &str = "/etc/breakglass/guard.toml";

pub(crate) const USAGE: &str = "usage: breakglass-guard power [--config FILE] [--label KEY]
       breakglass-guard diag [--config FILE] [--label KEY]
       breakglass-guard repair [--config FILE] [--label KEY]
       breakglass-guard diag --explain REQUEST [--config FILE]
       breakglass-guard install diag --key FILE [--label L] [--from ADDRESS,…] [--user NAME] [--with-broker] [--root DIR]
       breakglass-guard uninstall diag [--keep-record] [--root DIR]
       breakglass-guard check [--config FILE] [--user NAME] [--json]
       breakglass-guard facts
       breakglass-guard record verify FILE [--head SEQ:HASH]
       breakglass-guard record head FILE
`power`, `diag` and `repair` stand in a forced command of authorized_keys; the request is what the client asks ssh to run.";

/// What the guard was started as.
#[derive(Debug)]
pub(crate) enum Invocation {
    /// Behind a forced command: decide about one request.
    Power(Door),
    /// Behind a forced command: carry out one look, or refuse it.
    Diag(Door),
    /// Behind a forced command: run one command line, with a deadline and a record.
    Repair(Door),
    /// Behind a socket of root's: answer one request of a read-only door that needs privilege.
    Broker { config: PathBuf },
    /// Say what would be decided about a request; nothing is carried out.
    Explain { config: PathBuf, request: OsString },
    /// Hidden: carry out one accepted operation, detached.
    Operate(Operate),
    /// Hidden: become the QEMU of one VM.
    Launch(Launch),
    /// Hidden: capture one part of forensics.
    Capture(Vec<OsString>),
    /// Hidden: become a hypervisor's tool, or read one of its files.
    Tool(Vec<OsString>),
    /// What the inside of a target can tell.
    Facts(Vec<OsString>),
    /// Only the write-and-sync part of the facts.
    SyncProbe(Vec<OsString>),
    /// Check a record's chain.
    RecordVerify { file: PathBuf, head: Option<Tip> },
    /// Print where a record's chain stands, to keep it elsewhere.
    RecordHead { file: PathBuf },
    /// Put the read-only door on this host, or take it away.
    Install(Box<crate::install::Order>),
    /// Say what is wrong with the door on this host.
    Check { config: PathBuf, user: Option<String>, json: bool },
    /// Print how it is used.
    Usage,
    /// Hidden, in builds with debug assertions alone: a program behind the walls, without any grammar.
    #[cfg(debug_assertions)]
    BehindWalls(Vec<OsString>),
    /// Hidden, in the same builds: whatever the rest says, on a kernel without Landlock.
    #[cfg(debug_assertions)]
    WithoutLandlock(Vec<OsString>),
}

/// The fixed half of a request: what the forced command says of the door.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    pub(crate) config: PathBuf,
    pub(crate) label: String,
}

/// An accepted operation, as the foreground hands it to its runner.
#[derive(Debug, Clone)]
pub(crate) struct Operate {
    pub(crate) config: PathBuf,
    pub(crate) label: String,
    pub(crate) source: String,
    pub(crate) vm: VmName,
    pub(crate) verb: Verb,
    pub(crate) operation: OperationId,
}

/// One start of a QEMU, as the runner hands it to the process that becomes it.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    pub(crate) config: PathBuf,
    pub(crate) vm: VmName,
    pub(crate) operation: OperationId,
    /// May be used once: of two processes that were told to start the same VM, one finds it gone.
    pub(crate) token: String,
}

impl Operate {
    pub(crate) fn render(&self) -> Vec<OsString> {
        let mut words = vec!["operate".into()];
        words.extend(option("--config", self.config.as_os_str()));
        words.extend(option("--label", self.label.as_ref()));
        words.extend(option("--source", self.source.as_ref()));
        words.extend(option("--vm", self.vm.as_str().as_ref()));
        words.extend(option("--verb", self.verb.as_str().as_ref()));
        words.extend(option("--operation", self.operation.0.as_ref()));
        words
    }
}

impl Launch {
    pub(crate) fn render(&self) -> Vec<OsString> {
        let mut words = vec!["launch".into()];
        words.extend(option("--config", self.config.as_os_str()));
        words.extend(option("--vm", self.vm.as_str().as_ref()));
        words.extend(option("--operation", self.operation.0.as_ref()));
        words.extend(option("--token", self.token.as_ref()));
        words
    }
}

fn option(name: &str, value: &OsStr) -> [OsString; 2] {
    [name.into(), value.to_owned()]
}

/// Reads the command line without the program's name.
///
/// # Errors
/// What is wrong with it, in a sentence fragment.
pub(crate) fn parse(words: Vec<OsString>) -> Result<Invocation, String> {
    let mut words = words.into_iter();
    let first = words.next();
    let rest: Vec<OsString> = words.collect();
    match first.as_deref().and_then(OsStr::to_str) {
        Some("power") => {
            let mut options = Options::read(&rest, &["--config", "--label"])?;
            Ok(Invocation::Power(Door { config: options.config(), label: options.label()? }))
        }
        Some("diag") => {
            let mut options = Options::read(&rest, &["--config", "--label", "--explain"])?;
            let config = options.config();
            Ok(match options.take("--explain") {
                Some(request) => Invocation::Explain { config, request },
                None => Invocation::Diag(Door { config, label: options.label()? }),
            })
        }
        Some("repair") => {
            let mut options = Options::read(&rest, &["--config", "--label"])?;
            Ok(Invocation::Repair(Door { config: options.config(), label: options.label()? }))
        }
        Some("broker") => Ok(Invocation::Broker { config: Options::read(&rest, &["--config"])?.config() }),
        Some("operate") => {
            let known = ["--config", "--label", "--source", "--vm", "--verb", "--operation"];
            let mut options = Options::read(&rest, &known)?;
            let verb = options.text("--verb")?;
            Ok(Invocation::Operate(Operate {
                config: options.config(),
                label: options.label()?,
                source: options.text("--source")?,
                vm: VmName::new(&options.text("--vm")?)?,
                verb: Verb::from_bytes(verb.as_bytes()).ok_or_else(|| format!("`{verb}` is no verb"))?,
                operation: OperationId(options.file_name("--operation")?),
            }))
        }
        Some("launch") => {
            let mut options = Options::read(&rest, &["--config", "--vm", "--operation", "--token"])?;
            Ok(Invocation::Launch(Launch {
                config: options.config(),
                vm: VmName::new(&options.text("--vm")?)?,
                operation: OperationId(options.file_name("--operation")?),
                token: options.file_name("--token")?,
            }))
        }
        Some("capture") => Ok(Invocation::Capture(rest)),
        Some("tool") => Ok(Invocation::Tool(rest)),
        Some("facts") => Ok(Invocation::Facts(rest)),
        Some("sync-probe") => Ok(Invocation::SyncProbe(rest)),
        Some("record") => record(&rest),
        Some(word @ ("install" | "uninstall")) => crate::install::parse(word == "uninstall", &rest)
            .map(|order| Invocation::Install(Box::new(order))),
        Some("check") => check(rest),
        Some("help" | "--help" | "-h") => Ok(Invocation::Usage),
        #[cfg(debug_assertions)]
        Some("behind-walls") => Ok(Invocation::BehindWalls(rest)),
        #[cfg(debug_assertions)]
        Some("without-landlock") => Ok(Invocation::WithoutLandlock(rest)),
        Some(other) => Err(format!("`{}` is no subcommand", other.escape_debug())),
        None => Err("a subcommand is missing".to_owned()),
    }
}

fn check(mut words: Vec<OsString>) -> Result<Invocation, String> {
    let all = words.len();
    words.retain(|word| word != "--json");
    let json = words.len() != all;
    let mut options = Options::read(&words, &["--config", "--user"])?;
    let user = options.take("--user").map(|user| user.to_string_lossy().into_owned());
    let config = std::path::absolute(options.config()).map_err(|error| error.to_string())?;
    Ok(Invocation::Check { config, user, json })
}

fn record(words: &[OsString]) -> Result<Invocation, String> {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    match words {
        [what, file] if what == "verify" => Ok(Invocation::RecordVerify { file: file.into(), head: None }),
        [what, file, option, head] if what == "verify" && option == "--head" => {
            let head = text(head).parse().map_err(|error| format!("--head: {error}"))?;
            Ok(Invocation::RecordVerify { file: file.into(), head: Some(head) })
        }
        [what, file] if what == "head" => Ok(Invocation::RecordHead { file: file.into() }),
        _ => {
            Err("`record` is followed by `verify FILE`, `verify FILE --head SEQ:HASH` or `head FILE`"
                .to_owned())
        }
    }
}

/// Options that each take one value, in any order, each at most once.
struct Options {
    given: Vec<(String, OsString)>,
}

impl Options {
    fn read(words: &[OsString], known: &[&str]) -> Result<Self, String> {
        let mut given: Vec<(String, OsString)> = Vec::new();
        for pair in words.chunks(2) {
            let [name, value] = pair else {
                return Err("an option has no value".to_owned());
            };
            let name = name.to_string_lossy().into_owned();
            if !known.contains(&name.as_str()) || given.iter().any(|(have, _)| *have == name) {
                return Err(format!("the option `{}` is unknown or stands twice", name.escape_debug()));
            }
            given.push((name, value.clone()));
        }
        Ok(Self { given })
    }

    fn take(&mut self, name: &str) -> Option<OsString> {
        let at = self.given.iter().position(|(have, _)| have == name)?;
        Some(self.given.swap_remove(at).1)
    }

    fn config(&mut self) -> PathBuf {
        self.take("--config").map_or_else(|| PathBuf::from(DEFAULT_CONFIG), PathBuf::from)
    }

    fn text(&mut self, name: &str) -> Result<String, String> {
        let value = self.take(name).ok_or_else(|| format!("`{name}` is missing"))?;
        value.into_string().map_err(|_| format!("the value of `{name}` is not UTF-8"))
    }

    /// The key's label goes into records and sentences, so it stays short and printable.
    fn label(&mut self) -> Result<String, String> {
        let Some(value) = self.take("--label") else {
            return Ok("unnamed".to_owned());
        };
        let label = value.into_string().map_err(|_| "the label is not UTF-8".to_owned())?;
        let printable = label.chars().all(|c| !c.is_control());
        if label.is_empty() || label.len() > 64 || !printable {
            return Err("the label must have 1 to 64 printable bytes".to_owned());
        }
        Ok(label)
    }

    /// An operation id and a token become file names.
    fn file_name(&mut self, name: &str) -> Result<String, String> {
        let id = self.text(name)?;
        let sound =
            !id.is_empty() && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if sound {
            Ok(id)
        } else {
            Err(format!("the value of `{name}` is not made of letters, digits and `-`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn reads_what_a_forced_command_says() {
        let Ok(Invocation::Power(door)) = parse(words("power --label phone --config /etc/x.toml")) else {
            panic!("a forced command was not understood");
        };
        assert_eq!((door.label.as_str(), door.config.to_str()), ("phone", Some("/etc/x.toml")));
    }

    #[test]
    fn its_children_read_what_it_renders() {
        let operate = Operate {
            config: "/etc/x y.toml".into(),
            label: "a b".to_owned(),
            source: "192.0.2.2".to_owned(),
            vm: VmName::new("devvm").unwrap(),
            verb: Verb::Cycle,
            operation: OperationId("20261122T030840125-1f".to_owned()),
        };
        let Ok(Invocation::Operate(read)) = parse(operate.render()) else {
            panic!("the runner does not understand its caller");
        };
        assert_eq!(format!("{read:?}"), format!("{operate:?}"));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        for text in [
            "",
            "reboot",
            "power --config",
            "power --vm 103",
            "power --label a --label b",
            "power devvm",
            "operate --vm x",
            "record verify",
            "record verify f --head x",
            "launch --vm a --operation ../x --token y",
        ] {
            assert!(parse(words(text)).is_err(), "{text}");
        }
    }
}
