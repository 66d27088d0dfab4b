//! Secrets among a program's arguments: `--password x`, and the short options that only their program gives a meaning.

use crate::bytes::{at, before, find, is_blank, part, rest, run, skip_blanks};
use crate::keys::{self, Weight};
use crate::looks;
use crate::marker::{PASSWORD, SECRET};
use crate::span::Span;
use crate::triples::{Triples, three};
use crate::values::{self, Around, Value};

/// How an option takes its secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `-pSECRET`
    Joined,
    /// `-a SECRET` or `-aSECRET`
    Either,
    /// `-P SECRET`
    Apart,
    /// `-u user:SECRET`
    AfterColon,
    /// `-U user%SECRET`
    AfterPercent,
    /// `-u user,SECRET`
    AfterComma,
    /// The operand after so many others that are no options.
    Operand(usize),
    /// `login -p SECRET`
    Login,
}

use Style::{AfterColon, AfterComma, AfterPercent, Apart, Either, Joined, Login, Operand};

/// A row: how the program's name begins, whether that is all of it, its option, how it takes its secret.
struct Row(&'static str, bool, &'static str, Style);

const ROWS: &[Row] = &[
    Row("mysql", false, "-p", Joined),
    Row("mariadb", false, "-p", Joined),
    Row("mytop", true, "-p", Joined),
    Row("xtrabackup", true, "-p", Joined),
    Row("sshpass", true, "-p", Either),
    Row("redis-cli", true, "-a", Apart),
    Row("redis-benchmark", true, "-a", Apart),
    Row("valkey-cli", true, "-a", Apart),
    Row("keydb-cli", true, "-a", Apart),
    Row("ldap", false, "-w", Either),
    Row("slappasswd", true, "-s", Apart),
    Row("ldappasswd", true, "-s", Apart),
    Row("ldappasswd", true, "-a", Apart),
    Row("mosquitto_", false, "-P", Apart),
    Row("mosquitto_passwd", true, "-b", Operand(2)),
    Row("mongo", false, "-p", Either),
    Row("ipmitool", true, "-P", Either),
    Row("ipmipower", true, "-p", Apart),
    Row("snmp", false, "-A", Apart),
    Row("snmp", false, "-X", Apart),
    Row("snmp", false, "-c", Apart),
    Row("zip", true, "-P", Either),
    Row("unzip", true, "-P", Either),
    Row("7z", false, "-p", Joined),
    Row("rar", true, "-p", Joined),
    Row("unrar", true, "-p", Joined),
    Row("rdesktop", true, "-p", Apart),
    Row("vncviewer", true, "-p", Apart),
    Row("sqlcmd", true, "-P", Either),
    Row("bcp", true, "-P", Either),
    Row("isql", true, "-P", Either),
    Row("tsql", true, "-P", Apart),
    Row("plink", true, "-pw", Apart),
    Row("pscp", true, "-pw", Apart),
    Row("smb", false, "-U", AfterPercent),
    Row("rpcclient", true, "-U", AfterPercent),
    Row("net", true, "-U", AfterPercent),
    Row("wmic", true, "-U", AfterPercent),
    Row("curl", true, "-u", AfterColon),
    Row("curl", true, "--user", AfterColon),
    Row("curl", true, "--proxy-user", AfterColon),
    Row("curl", true, "-U", AfterColon),
    Row("http", true, "-a", AfterColon),
    Row("https", true, "-a", AfterColon),
    Row("http", true, "--auth", AfterColon),
    Row("skopeo", true, "--creds", AfterColon),
    Row("skopeo", true, "--src-creds", AfterColon),
    Row("skopeo", true, "--dest-creds", AfterColon),
    Row("podman", true, "--creds", AfterColon),
    Row("buildah", true, "--creds", AfterColon),
    Row("ctr", true, "--user", AfterColon),
    Row("ctr", true, "-u", AfterColon),
    Row("influx", true, "-password", Apart),
    Row("lftp", true, "-u", AfterComma),
    Row("useradd", true, "-p", Apart),
    Row("usermod", true, "-p", Apart),
    Row("ssh-keygen", true, "-N", Apart),
    Row("ssh-keygen", true, "-P", Apart),
    Row("openssl", true, "-k", Apart),
    Row("openssl", true, "-K", Apart),
    Row("docker", true, "-p", Login),
    Row("podman", true, "-p", Login),
    Row("nerdctl", true, "-p", Login),
    Row("buildah", true, "-p", Login),
    Row("skopeo", true, "-p", Login),
    Row("helm", true, "-p", Login),
    Row("oras", true, "-p", Login),
    Row("crane", true, "-p", Login),
    Row("az", true, "-p", Login),
    Row("oc", true, "-p", Login),
    Row("cf", true, "-p", Login),
    Row("argocd", true, "-p", Login),
    Row("vault", true, "login", Operand(0)),
    Row("bw", true, "unlock", Operand(0)),
    Row("rclone", true, "obscure", Operand(0)),
    Row("wpa_passphrase", true, "", Operand(1)),
    Row("htpasswd", false, "-b", Operand(2)),
    Row("htpasswd", false, "-nb", Operand(1)),
    Row("htpasswd", false, "-nbB", Operand(1)),
    Row("htpasswd", false, "-Bbn", Operand(1)),
    Row("htpasswd", false, "-bB", Operand(2)),
    Row("htpasswd", false, "-cb", Operand(2)),
    Row("htpasswd", false, "-bc", Operand(2)),
    Row("rabbitmqctl", true, "add_user", Operand(1)),
    Row("rabbitmqctl", true, "change_password", Operand(1)),
    Row("rabbitmqctl", true, "authenticate_user", Operand(1)),
    Row("grafana-cli", true, "reset-admin-password", Operand(0)),
    Row("grafana", true, "reset-admin-password", Operand(0)),
    Row("mysqladmin", true, "password", Operand(0)),
];

/// How the programs' names begin.
static BEGINNINGS: Triples = {
    let mut beginnings = Triples::NONE;
    let mut row = 0;
    while row < ROWS.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to step outside"
        )]
        {
            beginnings = beginnings.with_beginning(ROWS[row].0.as_bytes(), true);
        }
        row += 1;
    }
    beginnings
};

/// Whether what begins with these three bytes may be a program that has a row.
pub(crate) fn may_begin(three: u32) -> bool {
    BEGINNINGS.may_have_of_any_case(three)
}

/// Whether it is a program that has a row.
pub(crate) fn has_row(name: &[u8]) -> bool {
    ROWS.iter().any(|row| row.0.as_bytes().first() == name.first() && row.fits(name))
}

/// The program whose arguments are being read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Command {
    /// Its name in the line.
    name: Option<(usize, usize)>,
    /// One of its secrets is an operand.
    operands: bool,
}

impl Command {
    /// Whether the word at `start..end` is a program whose options have a row; if so, what follows is read as its arguments.
    pub(crate) fn learn(&mut self, line: &[u8], start: usize, end: usize) {
        if !may_begin(three(line, start)) {
            return;
        }
        let name = part(line, start, end);
        let alone = matches!(
            before(line, start),
            b'\n' | b' ' | b'\t' | b'/' | 0 | b'"' | b'\'' | b'(' | b'`' | b'=' | b'|' | b';'
        );
        let ended = matches!(at(line, end), b' ' | b'\t' | 0 | b'"' | b'\'' | b'\\');
        if !alone || !ended {
            return;
        }
        let mut rows = ROWS.iter().filter(|row| row.fits(name)).peekable();
        if rows.peek().is_some() {
            self.operands = rows.any(|row| !row.2.starts_with('-'));
            self.name = Some((start, end));
        }
    }

    /// Whether the word that begins at `start` can neither be nor announce a secret among its arguments.
    pub(crate) fn ignores(self, line: &[u8], start: usize) -> bool {
        self.name.is_none() || !self.operands && at(line, start) != b'-'
    }

    /// The secret that the word at `start..end` brings along or announces.
    pub(crate) fn secret(self, line: &[u8], start: usize, end: usize, around: Around) -> Option<Span> {
        let word = part(line, start, end);
        if word.first() == Some(&b'-')
            && word.len() > 2
            && let Some(span) = long(line, word, end, around)
        {
            return Some(span);
        }
        if self.ignores(line, start) {
            return None;
        }
        let (from, to) = self.name?;
        let program = part(line, from, to);
        ROWS.iter().filter(|row| row.fits(program)).find_map(|row| row.secret(line, start, end, to, around))
    }
}

impl Row {
    fn fits(&self, name: &[u8]) -> bool {
        if self.1 { name == self.0.as_bytes() } else { name.starts_with(self.0.as_bytes()) }
    }

    fn secret(&self, line: &[u8], start: usize, end: usize, program: usize, around: Around) -> Option<Span> {
        let word = part(line, start, end);
        let option = self.2.as_bytes();
        if matches!(self.3, Joined | Either)
            && word.starts_with(option)
            && (word.len() > option.len() || !gap(line, end))
        {
            return shown(line, values::value(line, start.saturating_add(option.len()), around), PASSWORD);
        }
        let announced = word == option || option.is_empty() && end == program;
        if !announced || self.3 == Joined {
            return None;
        }
        let next = argument(line, end)?;
        let value = values::value(line, next, around);
        match self.3 {
            AfterColon => after(line, value, b':'),
            AfterPercent => after(line, value, b'%'),
            AfterComma => after(line, value, b','),
            Operand(skipped) => operand(line, end, skipped, around),
            Login if find(part(line, 0, start), program, b"login").is_none() => None,
            _ => shown(line, value, PASSWORD),
        }
    }
}

/// Whether a blank or the end of an argument follows.
fn gap(line: &[u8], end: usize) -> bool {
    end >= line.len()
        || is_blank(at(line, end))
        || matches!(at(line, end), b'"' | b'\'' | b'\\') && argument(line, end).is_some()
}

/// An option whose own name promises a secret: `--password x`.
fn long(line: &[u8], word: &[u8], end: usize, around: Around) -> Option<Span> {
    let next = argument(line, end)?;
    let value = values::value(line, next, around);
    let text = part(line, value.start, value.end);
    if matches!(word, b"--user" | b"--proxy-user" | b"--creds" | b"--basic-auth" | b"--userpass" | b"--auth")
    {
        let colon = text.iter().position(|byte| *byte == b':')?;
        return looks::is_secretish(rest(text, colon.saturating_add(1)))
            .then(|| after(line, value, b':'))
            .flatten();
    }
    let key = keys::classify(word)?;
    let fits = match key.weight {
        Weight::Strong => !text.starts_with(b"id=") && (around.arguments || !text.starts_with(b"--")),
        Weight::Medium => looks::is_secretish(text) && !looks::is_uuid(text),
        Weight::Query | Weight::Authorization | Weight::Cookie => false,
    };
    if fits { shown(line, value, key.kind) } else { None }
}

/// Where the next argument begins, after a blank or from one string of a list to the next.
fn argument(line: &[u8], end: usize) -> Option<usize> {
    if is_blank(at(line, end)) {
        let next = skip_blanks(line, end);
        return (next < line.len()).then_some(next);
    }
    let quote = run(line, end, |byte| byte == b'\\');
    if !matches!(at(line, quote), b'"' | b'\'') {
        return None;
    }
    let comma = skip_blanks(line, quote.saturating_add(1));
    if at(line, comma) == b',' {
        return Some(skip_blanks(line, comma.saturating_add(1)));
    }
    // A quoted word of a command line: `'--password' 'x'`.
    (comma > quote.saturating_add(1) && comma < line.len()).then_some(comma)
}

/// The operand after `skipped` others.
fn operand(line: &[u8], end: usize, skipped: usize, around: Around) -> Option<Span> {
    let mut here = end;
    let mut left = skipped;
    loop {
        let value = values::value(line, argument(line, here)?, around);
        if value.end <= value.start && !value.quoted {
            return None;
        }
        here = value.end;
        if at(line, value.start) == b'-' {
            continue;
        }
        if left == 0 {
            return shown(line, value, SECRET);
        }
        left = left.saturating_sub(1);
    }
}

/// The part of a value after a sign.
fn after(line: &[u8], value: Value, sign: u8) -> Option<Span> {
    let text = part(line, value.start, value.end);
    let offset = text.iter().position(|byte| *byte == sign)?;
    let start = value.start.saturating_add(offset).saturating_add(1);
    shown(line, Value { start, ..value }, PASSWORD)
}

fn shown(line: &[u8], value: Value, kind: &'static str) -> Option<Span> {
    let text = part(line, value.start, value.end);
    (!text.is_empty() && !looks::is_placeholder(text)).then_some(Span {
        start: value.start,
        end: value.end,
        kind,
        stop: value.stop,
    })
}
