//! The commands of a container engine, as read requests to its own interface. Nothing else is ever sent to it: the paths
//! below are all there are, each a GET.

mod rows;
mod streams;

use super::columns::{Row, Style, aligned, at, fill, list, plain};
use super::http::{Conversation, encoded};
use super::units::{moment, size};
use crate::clock;
use crate::diag::native::sink::Sink;
use crate::diag::plan::Program;
use crate::diag::policy::DiagPolicy;
use crate::diag::run::{self, End, Wiring};
use rows::{ago, container, identifier, items, number, text, usage};
use serde_json::Value;
use std::io;
use std::os::unix::net::UnixStream;
use streams::Split;

/// Where each engine listens.
const SOCKETS: &[(&str, &[&str])] =
    &[("docker", &["/run/docker.sock", "/var/run/docker.sock"]), ("podman", &["/run/podman/podman.sock"])];

/// Both engines speak it.
const VERSION: &str = "/v1.41";

/// Asks the engine. The connection is made here; what is asked over it, by a child behind walls that has nothing else.
pub(super) fn look(program: &Program, diag: &DiagPolicy, wiring: &mut Wiring<'_>) -> End {
    let places =
        SOCKETS.iter().filter(|(name, _)| *name == program.name).flat_map(|(_, places)| places.iter());
    let mut end = End::NotHere;
    for place in places {
        match UnixStream::connect(place) {
            Ok(stream) => {
                let ask = |out: &mut dyn Sink, complain: &mut dyn FnMut(&str)| {
                    Look { talk: Conversation::new(&stream), words: words(&program.arguments), out, complain }
                        .run()
                };
                return run::conversation(diag, wiring, &ask);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => end = End::NotStarted(format!("{place}: {error}")),
        }
    }
    end
}

/// The rebuilt arguments, taken apart.
struct Words<'a> {
    verb: Vec<&'a str>,
    options: Vec<(&'a str, &'a str)>,
    operands: Vec<&'a str>,
}

fn words(arguments: &[String]) -> Words<'_> {
    let (mut options, mut others) = (Vec::new(), Vec::new());
    let mut only_operands = false;
    for word in arguments {
        match word.strip_prefix("--").filter(|_| !only_operands) {
            Some("") => only_operands = true,
            Some(option) => options.push(option.split_once('=').unwrap_or((option, ""))),
            None => others.push(word.as_str()),
        }
    }
    let grouped = matches!(others.first(), Some(&("container" | "image" | "network" | "volume" | "system")));
    let operands = others.split_off(others.len().min(if grouped { 2 } else { 1 }));
    Words { verb: others, options, operands }
}

impl<'a> Words<'a> {
    fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(have, _)| *have == name)
    }

    fn value(&self, name: &str) -> Option<&'a str> {
        self.options.iter().rev().find(|(have, _)| *have == name).map(|(_, value)| *value)
    }

    /// `--filter=key=value`, as the interface wants them.
    fn filters(&self) -> String {
        let mut filters = serde_json::Map::new();
        for (_, filter) in self.options.iter().filter(|(name, _)| *name == "filter") {
            let (key, value) = filter.split_once('=').unwrap_or((filter, ""));
            let values = filters.entry(key).or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(values) = values {
                values.push(Value::from(value));
            }
        }
        if filters.is_empty() {
            return String::new();
        }
        format!("&filters={}", encoded(&Value::Object(filters).to_string()))
    }
}

struct Look<'a> {
    talk: Conversation<'a>,
    words: Words<'a>,
    out: &'a mut dyn Sink,
    complain: &'a mut dyn FnMut(&str),
}

/// What ended a look before its end: the line to the engine, or its own word.
enum Trouble {
    Line(io::Error),
    Said(String),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Line(error)
    }
}

impl Look<'_> {
    fn run(&mut self) -> u8 {
        let verb = self.words.verb.last().copied().unwrap_or_default();
        let group = if self.words.verb.len() > 1 { self.words.verb.first().copied() } else { None };
        let done = match (group, verb) {
            (Some("image"), _) | (None, "images") => self.images(),
            (Some("network"), _) => self.networks(),
            (Some("volume"), _) => self.volumes(),
            (Some("system"), _) => self.disk_usage(),
            (_, "ps" | "ls" | "list") => self.containers(),
            (_, "logs") => self.logs(),
            (_, "inspect") => self.inspect(),
            (_, "stats") => self.stats(),
            (_, "top") => self.top(),
            (_, "info") => self.facts("/info"),
            (_, "version") => self.facts("/version"),
            _ => Err(Trouble::Said(format!("`{verb}` is not asked of an engine"))),
        };
        match done {
            Ok(()) => 0,
            Err(Trouble::Said(why)) => {
                (self.complain)(&why);
                1
            }
            Err(Trouble::Line(error)) => {
                (self.complain)(&format!("the container engine: {error}"));
                1
            }
        }
    }

    fn document(&mut self, path: &str) -> Result<Value, Trouble> {
        let (status, value) = self.talk.document(&format!("{VERSION}{path}"))?;
        if status == 200 {
            return Ok(value);
        }
        let said = value.get("message").and_then(Value::as_str).unwrap_or("it gave no reason");
        Err(Trouble::Said(format!("Error response from the engine ({status}): {said}")))
    }

    fn say(&mut self, text: &str) {
        self.out.push(text.as_bytes());
    }

    fn show(&mut self, rows: &[Row], columns: &[(&str, &str)]) {
        let style = Style { quiet: self.words.has("quiet"), template: self.words.value("format") };
        let text = list(rows, columns, &style);
        self.say(&text);
    }

    fn containers(&mut self) -> Result<(), Trouble> {
        let words = &self.words;
        let latest = words.has("latest").then_some("1").or_else(|| words.value("last"));
        let all = words.has("all") || latest.is_some();
        let with_size = words.has("size");
        let limit = latest.map(|count| format!("&limit={}", encoded(count))).unwrap_or_default();
        let (all, size_wanted) = (u8::from(all), u8::from(with_size));
        let path = format!("/containers/json?all={all}&size={size_wanted}{limit}{}", words.filters());
        let found = self.document(&path)?;
        let whole = self.words.has("no-trunc");
        let rows: Vec<Row> = items(&found).iter().map(|it| container(it, whole)).collect();
        let mut columns = vec![
            ("CONTAINER ID", "ID"),
            ("IMAGE", "Image"),
            ("COMMAND", "Command"),
            ("CREATED", "RunningFor"),
            ("STATUS", "Status"),
            ("PORTS", "Ports"),
            ("NAMES", "Names"),
        ];
        if with_size {
            columns.push(("SIZE", "Size"));
        }
        self.show(&rows, &columns);
        Ok(())
    }

    fn images(&mut self) -> Result<(), Trouble> {
        let all = u8::from(self.words.has("all"));
        let mut path = format!("/images/json?all={all}{}", self.words.filters());
        if let Some(name) = self.words.operands.first() {
            let filter = format!("{{\"reference\":[{}]}}", Value::from(*name));
            path = format!("/images/json?all={all}&filters={}", encoded(&filter));
        }
        let found = self.document(&path)?;
        let whole = self.words.has("no-trunc");
        let mut rows = Vec::new();
        for image in items(&found) {
            let none = [Value::from("<none>:<none>")];
            let tags = image.get("RepoTags").and_then(Value::as_array).filter(|tags| !tags.is_empty());
            for tag in tags.map_or(&none[..], Vec::as_slice) {
                let tag = tag.as_str().unwrap_or_default();
                let (repository, tag) = tag.rsplit_once(':').unwrap_or((tag, "<none>"));
                let created = ago(number(image, "Created"));
                rows.push(vec![
                    ("ID", identifier(image, whole)),
                    ("Repository", repository.to_owned()),
                    ("Tag", tag.to_owned()),
                    ("CreatedSince", created.clone()),
                    ("Created", created),
                    ("Size", size(number(image, "Size").unsigned_abs())),
                ]);
            }
        }
        if self.words.has("quiet") {
            self.show(&rows, &[("IMAGE ID", "ID")]);
            return Ok(());
        }
        let columns = [
            ("REPOSITORY", "Repository"),
            ("TAG", "Tag"),
            ("IMAGE ID", "ID"),
            ("CREATED", "CreatedSince"),
            ("SIZE", "Size"),
        ];
        self.show(&rows, &columns);
        Ok(())
    }

    fn networks(&mut self) -> Result<(), Trouble> {
        let found = self.document("/networks")?;
        let row = |it: &Value| {
            let (name, driver, scope) = (text(it, "Name"), text(it, "Driver"), text(it, "Scope"));
            vec![("ID", identifier(it, false)), ("Name", name), ("Driver", driver), ("Scope", scope)]
        };
        let rows: Vec<Row> = items(&found).iter().map(row).collect();
        let columns = [("NETWORK ID", "ID"), ("NAME", "Name"), ("DRIVER", "Driver"), ("SCOPE", "Scope")];
        self.show(&rows, &columns);
        Ok(())
    }

    fn volumes(&mut self) -> Result<(), Trouble> {
        let found = self.document("/volumes")?;
        let row = |it: &Value| vec![("Driver", text(it, "Driver")), ("Name", text(it, "Name"))];
        let rows: Vec<Row> = items(at(&found, "Volumes")).iter().map(row).collect();
        self.show(&rows, &[("DRIVER", "Driver"), ("VOLUME NAME", "Name")]);
        Ok(())
    }

    fn disk_usage(&mut self) -> Result<(), Trouble> {
        let found = self.document("/system/df")?;
        let mut table = vec![vec!["TYPE".to_owned(), "TOTAL".to_owned(), "SIZE".to_owned()]];
        for (name, key, path) in [
            ("Images", "Images", "Size"),
            ("Containers", "Containers", "SizeRw"),
            ("Local Volumes", "Volumes", "UsageData.Size"),
        ] {
            let all = items(at(&found, key));
            let bytes = all.iter().filter_map(|it| at(it, path).as_i64()).filter(|it| *it > 0).sum::<i64>();
            table.push(vec![name.to_owned(), all.len().to_string(), size(bytes.unsigned_abs())]);
        }
        self.say(&aligned(&table));
        Ok(())
    }

    fn inspect(&mut self) -> Result<(), Trouble> {
        let kind = self.words.value("type");
        let template = self.words.value("format").filter(|template| *template != "json");
        let (mut found, mut failed) = (Vec::new(), None);
        for name in self.words.operands.clone() {
            let name = encoded(name);
            let container = match kind {
                Some("image") => Err(Trouble::Said(String::new())),
                _ => self
                    .document(&format!("/containers/{name}/json?size={}", u8::from(self.words.has("size")))),
            };
            let either = match container {
                Err(Trouble::Said(_)) if kind != Some("container") => {
                    self.document(&format!("/images/{name}/json"))
                }
                other => other,
            };
            match either {
                Ok(document) => found.push(document),
                Err(Trouble::Said(why)) => failed = Some(why),
                Err(line) => return Err(line),
            }
        }
        match template {
            None => {
                let text = serde_json::to_string_pretty(&Value::Array(found)).unwrap_or_default();
                self.say(&format!("{text}\n"));
            }
            Some(template) => {
                for document in &found {
                    let line = fill(template, &|path, as_json| {
                        let value = at(document, path);
                        if as_json { value.to_string() } else { plain(value) }
                    });
                    self.say(&format!("{line}\n"));
                }
            }
        }
        failed.map_or(Ok(()), |why| Err(Trouble::Said(why)))
    }

    fn top(&mut self) -> Result<(), Trouble> {
        let name = encoded(self.words.operands.first().unwrap_or(&""));
        let found = self.document(&format!("/containers/{name}/top"))?;
        let line = |it: &Value| items(it).iter().map(plain).collect::<Vec<String>>();
        let mut table = vec![line(at(&found, "Titles"))];
        table.extend(items(at(&found, "Processes")).iter().map(line));
        self.say(&aligned(&table));
        Ok(())
    }

    /// The members that are one value each.
    fn facts(&mut self, path: &str) -> Result<(), Trouble> {
        let found = self.document(path)?;
        let mut text = String::new();
        for (name, value) in found.as_object().into_iter().flatten() {
            if !value.is_object() && !value.is_array() && !value.is_null() {
                text.push_str(&format!("{name}: {}\n", plain(value)));
            }
        }
        self.say(&text);
        Ok(())
    }

    fn stats(&mut self) -> Result<(), Trouble> {
        let mut names: Vec<String> = self.words.operands.iter().map(|name| (*name).to_owned()).collect();
        if names.is_empty() {
            let all = u8::from(self.words.has("all"));
            let running = self.document(&format!("/containers/json?all={all}"))?;
            names = items(&running).iter().map(|it| text(it, "Id")).collect();
        }
        let mut rows = Vec::new();
        for name in names {
            let found = self.document(&format!("/containers/{}/stats?stream=false", encoded(&name)))?;
            rows.push(usage(&found, self.words.has("no-trunc")));
        }
        let columns = [
            ("CONTAINER ID", "ID"),
            ("NAME", "Name"),
            ("CPU %", "CPUPerc"),
            ("MEM USAGE / LIMIT", "MemUsage"),
            ("MEM %", "MemPerc"),
            ("PIDS", "PIDs"),
        ];
        self.show(&rows, &columns);
        Ok(())
    }

    fn logs(&mut self) -> Result<(), Trouble> {
        let name = encoded(self.words.operands.first().unwrap_or(&""));
        let about = self.document(&format!("/containers/{name}/json"))?;
        let raw = at(&about, "Config.Tty").as_bool() == Some(true);
        let now = clock::now().unix_millis() / 1000;
        let mut path = format!("{VERSION}/containers/{name}/logs?stdout=1&stderr=1");
        for option in ["since", "until"] {
            let Some(given) = self.words.value(option) else { continue };
            let Some(seconds) = moment(given, now) else {
                let why = format!("write --{option} as 30m, or as 2026-11-21T10:00:00Z");
                return Err(Trouble::Said(why));
            };
            path.push_str(&format!("&{option}={seconds}"));
        }
        let tail = self.words.value("tail").unwrap_or("1000");
        path.push_str(&format!(
            "&tail={}&timestamps={}",
            encoded(tail),
            u8::from(self.words.has("timestamps"))
        ));
        let head = self.talk.get(&path)?;
        if head.status != 200 {
            return Err(Trouble::Said(format!("the engine has no log for it ({})", head.status)));
        }
        let (out, complain) = (&mut *self.out, &mut *self.complain);
        let mut split = Split::default();
        self.talk
            .body(&head, &mut |piece| if raw { out.push(piece) } else { split.take(piece, out, complain) })?;
        Ok(())
    }
}
