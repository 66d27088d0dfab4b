//! Words become a draft: verb, options and operands, each by a line of the command's table, or a refusal.

use super::value::{Bad, Checked, check};
use super::{Command, Draft, Row, Style, Takes, lines, near};
use crate::diag::plan::{Given, Operand};
use crate::diag::policy::DiagPolicy;
use breakglass_protocol::words::Word;
use breakglass_protocol::{Refusal, Rule};

/// Told of every word: which it is, what it was taken for, and the line that allowed it.
pub(crate) type Trace<'a> = &'a mut dyn FnMut(&str, &str, &str);

/// Parses the words after the command's own.
///
/// # Errors
/// The refusal of the first word that no line allows.
pub(crate) fn scan(
    command: &'static Command,
    name: &'static str,
    words: &[Word],
    policy: &DiagPolicy,
    trace: Trace<'_>,
) -> Result<Draft, Refusal> {
    let draft = Draft {
        command,
        name,
        verb: Vec::new(),
        options: Vec::new(),
        operands: Vec::new(),
        notes: Vec::new(),
        shape: command.shape,
    };
    let mut scan = Scan {
        draft,
        policy,
        trace,
        words,
        at: 0,
        operands: Vec::new(),
        only_operands: false,
        used: Vec::new(),
    };
    scan.all()?;
    let mut draft = scan.draft;
    super::rules::apply(&mut draft)?;
    if let Some(last) = command.last {
        last(&mut draft, policy)?;
    }
    Ok(draft)
}

struct Scan<'a, 'words> {
    draft: Draft,
    policy: &'a DiagPolicy,
    trace: Trace<'a>,
    words: &'words [Word],
    at: usize,
    /// Words that are operands, and whether each stood after `--`.
    operands: Vec<(&'words Word, bool)>,
    only_operands: bool,
    /// The lines that allowed options, each to be held against the verb once that is known.
    used: Vec<Row>,
}

impl<'words> Scan<'_, 'words> {
    fn next(&mut self) -> Option<&'words Word> {
        let word = self.words.get(self.at)?;
        self.at += 1;
        Some(word)
    }

    fn all(&mut self) -> Result<(), Refusal> {
        while let Some(word) = self.next() {
            let text = word.text.as_str();
            if self.only_operands {
                self.operands.push((word, true));
            } else if let Some(row) = self.exact(text) {
                let value = match row.takes {
                    Takes::Value => Some(self.following(text)?),
                    Takes::AttachedOrNext => self.acceptable(&row),
                    Takes::Nothing | Takes::Attached => None,
                };
                self.give(&row, text, value)?;
            } else if text == "--" && self.draft.command.style == Style::Clusters {
                (self.trace)(text, "end of options", "");
                self.only_operands = true;
            } else if text.starts_with('-') && text != "-" || text.starts_with('+') && self.has_plus() {
                self.option(text)?;
            } else if self.extends_verb(text) {
                (self.trace)(text, "verb", "");
            } else {
                self.operands.push((word, false));
            }
        }
        self.place_operands()?;
        match self.used.iter().find(|row| !row.applies(&self.draft.verb)) {
            Some(row) => Err(self.unknown(row.name())),
            None => Ok(()),
        }
    }

    /// The line of an option. Before the verb it is looked for under the verb that comes, and held against it in the end.
    fn row(&self, spelling: &str) -> Option<Row> {
        let command = self.draft.command;
        if !self.draft.verb.is_empty() {
            return command.row(spelling, &self.draft.verb);
        }
        let coming =
            self.words.get(self.at..).unwrap_or_default().iter().find_map(|word| self.extension(&word.text));
        command.row(spelling, coming.as_slice())
    }

    /// Commands whose options may begin with `+`, such as `dig +short`.
    fn has_plus(&self) -> bool {
        self.draft.command.rows().any(|row| row.spellings().any(|name| name.starts_with('+')))
    }

    /// An option that is the whole word; one without a dash only once the verb is whole.
    fn exact(&self, text: &str) -> Option<Row> {
        let may_be_option = text.starts_with(['-', '+']) || self.extension(text).is_none();
        may_be_option.then(|| self.row(text)).flatten()
    }

    fn following(&mut self, option: &str) -> Result<Word, Refusal> {
        self.next().cloned().ok_or_else(|| self.refuse(Rule::Option, option, "needs a value"))
    }

    /// The next word, where it can be the value.
    fn acceptable(&mut self, row: &Row) -> Option<Word> {
        let word = self.words.get(self.at)?;
        check(row.kind, word, self.policy).ok()?;
        self.at += 1;
        Some(word.clone())
    }

    /// `--x=y`, `-xVALUE`, `-abc`, `-20`.
    fn option(&mut self, text: &str) -> Result<(), Refusal> {
        let command = self.draft.command;
        if text.starts_with("--") || text.starts_with('+') || command.style == Style::Words {
            let row = text.split_once('=').and_then(|(name, value)| Some((self.row(name)?, name, value)));
            return match row {
                Some((row, name, value)) if row.takes != Takes::Nothing && name.starts_with(['-', '+']) => {
                    self.give(&row, name, Some(Word::literal(value)))
                }
                Some((_, name, _)) => Err(self.refuse(Rule::Option, name, "takes no value")),
                None => Err(self.unknown(text)),
            };
        }
        let letters = text.get(1..).unwrap_or_default();
        if letters.bytes().all(|byte| byte.is_ascii_digit())
            && let Some(row) = self.row("-#")
        {
            return self.give(&row, text, Some(Word::literal(letters)));
        }
        let mut rest = letters.chars();
        while let Some(letter) = rest.next() {
            let name = format!("-{letter}");
            let Some(row) = self.row(&name) else {
                return Err(self.unknown(if letters.chars().nth(1).is_none() { text } else { &name }));
            };
            let attached = rest.as_str();
            if row.takes == Takes::Nothing {
                self.give(&row, &name, None)?;
                continue;
            }
            let value = match (row.takes, attached) {
                (Takes::Value, "") => Some(self.following(&name)?),
                (Takes::AttachedOrNext, "") => self.acceptable(&row),
                (_, "") => None,
                (_, attached) => Some(Word::literal(attached)),
            };
            return self.give(&row, &name, value);
        }
        Ok(())
    }

    fn give(&mut self, row: &Row, spelled: &str, value: Option<Word>) -> Result<(), Refusal> {
        let value = match value {
            None => None,
            Some(word) => {
                let checked =
                    check(row.kind, &word, self.policy).map_err(|bad| self.bad(spelled, &word.text, bad))?;
                (self.trace)(&word.text, "value", row.kind);
                Some(self.noted(spelled, checked).0)
            }
        };
        (self.trace)(spelled, "option", row.line);
        self.used.push(*row);
        if row.as_ != Some("drop") {
            self.draft.options.push(Given { name: row.name(), value });
        }
        Ok(())
    }

    fn noted(&mut self, what: &str, checked: Checked) -> (String, bool) {
        if let Some(note) = checked.note {
            self.draft.notes.push(format!("`{}` {note}", near::shown(what)));
        }
        (checked.text, checked.glob)
    }

    /// The canonical word by which this one extends the verb.
    fn extension(&self, text: &str) -> Option<&'static str> {
        if !self.operands.is_empty() {
            return None;
        }
        let so_far = &self.draft.verb;
        verbs(self.draft.command).find_map(|(path, _)| {
            let mut path = path.split_ascii_whitespace();
            let begins = so_far.iter().all(|word| path.next().is_some_and(|step| first(step) == *word));
            let step = path.next().filter(|_| begins)?;
            step.trim_end_matches('?').split('|').any(|spelling| spelling == text).then(|| first(step))
        })
    }

    fn extends_verb(&mut self, text: &str) -> bool {
        let extension = self.extension(text);
        self.draft.verb.extend(extension);
        extension.is_some()
    }

    fn place_operands(&mut self) -> Result<(), Refusal> {
        let command = self.draft.command;
        let so_far = self.draft.verb.clone();
        let mut found = None;
        for (path, operands) in verbs(command) {
            let mut steps = path.split_ascii_whitespace();
            let begins = so_far.iter().all(|word| steps.next().is_some_and(|step| first(step) == *word));
            let left: Vec<&'static str> = steps.collect();
            // A verb may be left out where nothing comes after it.
            let whole =
                left.is_empty() || self.operands.is_empty() && left.iter().all(|step| step.ends_with('?'));
            if begins && whole {
                self.draft.verb.extend(left.iter().map(|step| first(step)));
                found = Some(operands);
                break;
            }
        }
        let Some(operands) = found else {
            return Err(match self.operands.first() {
                Some((word, _)) => self.unknown_verb(&word.text),
                None => self.unknown_verb(""),
            });
        };
        // Of several alternatives the first that fits; the complaint is the last one's, which is the fullest.
        let mut complaint = None;
        for alternative in operands.split('/') {
            match self.fit(alternative.trim()) {
                Ok(placed) => {
                    self.draft.operands = placed;
                    return Ok(());
                }
                Err(refusal) => complaint = Some(refusal),
            }
        }
        Err(complaint.unwrap_or_else(|| self.refuse(Rule::Operand, "", "cannot be placed")))
    }

    fn fit(&mut self, alternative: &'static str) -> Result<Vec<Operand>, Refusal> {
        let mut placed = Vec::new();
        let given = std::mem::take(&mut self.operands);
        let mut words = given.iter().peekable();
        let mut result = Ok(());
        for item in alternative.split_ascii_whitespace() {
            let (kind, least, most) = amount(item, self.draft.has("--regexp"));
            let mut taken = 0;
            while taken < most {
                let Some((word, after_dashes)) = words.peek() else { break };
                let outcome = if word.text.starts_with('-') && !(*after_dashes && kind == "pattern") {
                    Err(Bad::new("begins with a dash"))
                } else {
                    check(kind, word, self.policy)
                };
                match outcome {
                    Ok(checked) => {
                        (self.trace)(&word.text, "operand", kind);
                        let (text, glob) = self.noted(&word.text, checked);
                        placed.push(Operand { text, glob });
                    }
                    // An optional one may be passed over, for the next item to take the word.
                    Err(_) if taken >= least && item.contains('?') && !word.text.starts_with('@') => break,
                    Err(bad) => {
                        result = Err(self.bad("", &word.text, bad));
                        break;
                    }
                }
                words.next();
                taken += 1;
            }
            if result.is_ok() && taken < least {
                result = Err(self.lacks(kind));
            }
            if result.is_err() {
                break;
            }
        }
        if let (Ok(()), Some((word, _))) = (&result, words.peek()) {
            result = Err(
                if self.draft.verb.is_empty() && verbs(self.draft.command).any(|(path, _)| !path.is_empty()) {
                    self.unknown_verb(&word.text)
                } else {
                    self.refuse(Rule::Operand, &word.text, "is one operand too many")
                },
            );
        }
        self.operands = given;
        result.map(|()| placed)
    }

    fn lacks(&self, kind: &str) -> Refusal {
        let kind = kind.split('(').next().unwrap_or_default();
        let mut refusal = self.refuse(Rule::Operand, "", &format!("lacks an operand ({kind})"));
        if kind == "read" || kind == "place" {
            refusal.hint = "name the file by its absolute path".to_owned();
        }
        refusal
    }

    /// `what` of the command is wrong; without `what`, the command itself.
    fn refuse(&self, rule: Rule, what: &str, why: &str) -> Refusal {
        let called = [&[self.draft.name], self.draft.verb.as_slice()].concat().join(" ");
        let reason = if what.is_empty() {
            format!("`{called}` {why}")
        } else {
            format!("`{}` of `{called}` {why}", near::shown(what))
        };
        Refusal { rule, reason, hint: self.takes() }
    }

    /// The operands that there could be.
    fn takes(&self) -> String {
        let verb = &self.draft.verb;
        let line = verbs(self.draft.command).find(|(path, _)| {
            let mut steps = path.split_ascii_whitespace();
            verb.iter().all(|word| steps.next().is_some_and(|step| first(step) == *word))
        });
        match line.map(|(_, operands)| operands).filter(|operands| !operands.is_empty()) {
            None => "it takes no operand".to_owned(),
            Some(operands) => {
                let mut depth = 0;
                let kinds = operands.chars().filter(|c| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    depth == 0 && *c != ')'
                });
                format!("its operands: {}", kinds.collect::<String>())
            }
        }
    }

    fn bad(&self, option: &str, word: &str, bad: Bad) -> Refusal {
        let (what, why) = if option.is_empty() {
            (word, bad.reason)
        } else {
            (option, format!("with the value `{}` {}", near::shown(word), bad.reason))
        };
        let rule = bad.rule.unwrap_or(if option.is_empty() { Rule::Operand } else { Rule::Option });
        let mut refusal = self.refuse(rule, what, &why);
        if !bad.hint.is_empty() {
            refusal.hint = bad.hint;
        }
        refusal
    }

    fn unknown(&self, option: &str) -> Refusal {
        let name = option.split('=').next().unwrap_or_default();
        let mut refusal = self.refuse(Rule::Option, name, "is no option of this door's table");
        refusal.hint = near::option(self.draft.command, self.draft.name, &self.draft.verb, name);
        refusal
    }

    fn unknown_verb(&self, word: &str) -> Refusal {
        let why = if word.is_empty() { "needs a verb" } else { "is no verb of this door's table" };
        let mut refusal = self.refuse(Rule::Operand, word, why);
        refusal.hint = near::verb(self.draft.command, &self.draft.verb);
        refusal
    }
}

/// The verbs of a command: path and operands.
pub(crate) fn verbs(command: &Command) -> impl Iterator<Item = (&'static str, &'static str)> {
    lines(command.verbs)
        .filter_map(|line| line.split_once(':'))
        .map(|(path, operands)| (path.trim(), operands.trim()))
}

/// The canonical spelling of one step of a path.
pub(crate) fn first(step: &'static str) -> &'static str {
    let step = step.trim_end_matches('?');
    step.split('|').next().unwrap_or(step)
}

/// `KIND`, `KIND?`, `KIND*9`, `KIND+9`; `KIND!` is there unless the pattern came by `--regexp`.
fn amount(item: &'static str, has_pattern: bool) -> (&'static str, usize, usize) {
    let close = item.rfind(')').map_or(0, |at| at + 1);
    let (head, tail) = item.split_at(close);
    let cut = tail.find(['?', '*', '+', '!']).unwrap_or(tail.len());
    let kind = item.get(..head.len() + cut).unwrap_or(item);
    let number = || tail.get(cut + 1..).and_then(|digits| digits.parse().ok()).unwrap_or(1);
    match tail.get(cut..=cut) {
        Some("?") => (kind, 0, 1),
        Some("*") => (kind, 0, number()),
        Some("+") => (kind, 1, number()),
        Some("!") if has_pattern => (kind, 0, 0),
        _ => (kind, 1, 1),
    }
}
