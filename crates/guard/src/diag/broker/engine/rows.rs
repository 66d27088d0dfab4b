//! What an engine answers, as the cells of its own program's tables.

use crate::clock;
use crate::diag::broker::columns::{Row, at};
use crate::diag::broker::units::{binary_size, duration, percent, size};
use serde_json::Value;

pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn text(value: &Value, key: &str) -> String {
    value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned()
}

pub(super) fn number(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_i64).unwrap_or_default()
}

/// Twelve digits, unless the whole is asked for.
pub(super) fn identifier(value: &Value, whole: bool) -> String {
    let id = value.get("Id").or_else(|| value.get("id")).and_then(Value::as_str).unwrap_or_default();
    let short = id.strip_prefix("sha256:").unwrap_or(id);
    if whole { id.to_owned() } else { short.chars().take(12).collect() }
}

pub(super) fn ago(created: i64) -> String {
    format!("{} ago", duration(clock::now().unix_millis() / 1000 - created))
}

pub(super) fn container(it: &Value, whole: bool) -> Row {
    let names: Vec<&str> = items(at(it, "Names"))
        .iter()
        .filter_map(Value::as_str)
        .map(|name| name.trim_start_matches('/'))
        .collect();
    let mut command = text(it, "Command");
    if !whole && command.chars().count() > 20 {
        command = command.chars().take(19).chain(['\u{2026}']).collect();
    }
    let ports: Vec<String> = items(at(it, "Ports")).iter().map(port).collect();
    let created = ago(number(it, "Created"));
    let networks = at(it, "NetworkSettings.Networks").as_object();
    let networks: Vec<&str> = networks.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    vec![
        ("ID", identifier(it, whole)),
        ("Image", text(it, "Image")),
        ("Command", format!("\"{command}\"")),
        ("RunningFor", created.clone()),
        ("CreatedAt", created.clone()),
        ("Created", created),
        ("Status", text(it, "Status")),
        ("State", text(it, "State")),
        ("Ports", ports.join(", ")),
        ("Names", names.join(",")),
        ("Name", names.join(",")),
        ("Networks", networks.join(",")),
        ("Size", size(number(it, "SizeRw").unsigned_abs())),
    ]
}

/// `0.0.0.0:80->8080/tcp`, or `8080/tcp` where nothing leads to it.
fn port(it: &Value) -> String {
    let inside = format!("{}/{}", number(it, "PrivatePort"), text(it, "Type"));
    match number(it, "PublicPort") {
        0 => inside,
        public => {
            let address = text(it, "IP");
            let address = if address.contains(':') { format!("[{address}]") } else { address };
            format!("{address}:{public}->{inside}")
        }
    }
}

pub(super) fn usage(it: &Value, whole: bool) -> Row {
    let of = |path: &str| at(it, path).as_u64().unwrap_or(0);
    let spent =
        of("cpu_stats.cpu_usage.total_usage").saturating_sub(of("precpu_stats.cpu_usage.total_usage"));
    let passed = of("cpu_stats.system_cpu_usage").saturating_sub(of("precpu_stats.system_cpu_usage"));
    let hundredths = |part: u64, of: u64, times: u64| {
        u64::try_from(u128::from(part) * u128::from(times) * 10_000 / u128::from(of.max(1))).unwrap_or(0)
    };
    // As `docker stats` does: pages of files that can be given back do not count.
    let cache = of("memory_stats.stats.inactive_file").max(of("memory_stats.stats.total_inactive_file"));
    let (used, limit) = (of("memory_stats.usage").saturating_sub(cache), of("memory_stats.limit"));
    let (id, name) = (identifier(it, whole), text(it, "name").trim_start_matches('/').to_owned());
    let cpu = percent(hundredths(spent, passed, of("cpu_stats.online_cpus").max(1)));
    let pids = of("pids_stats.current").to_string();
    vec![
        ("ID", id.clone()),
        ("Container", id),
        ("Name", name),
        ("CPUPerc", cpu.clone()),
        ("CPU", cpu),
        ("MemUsage", format!("{} / {}", binary_size(used), binary_size(limit))),
        ("MemPerc", percent(hundredths(used, limit, 1))),
        ("PIDs", pids.clone()),
        ("PIDS", pids),
    ]
}
