//! Parts `console` and `config`: the end of the guest's serial console, and what QEMU was and would be started with.

use super::kernel_text::same_process;
use super::{Order, PartEnd, Sheet};
use crate::console::{plain_text, read_end};
use std::fs::File;
use std::io::Read;

/// How much of the console is captured.
const CONSOLE_END: u64 = 64 * 1024;

pub(super) fn console(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(path) = &order.plan.console else {
        sheet.line("no serial console is configured");
        return PartEnd::NotHere;
    };
    match read_end(path, CONSOLE_END) {
        Ok((end, size, written)) => {
            sheet.line(format_args!("[{size} bytes in all, last written at {written}]"));
            sheet.bytes(plain_text(&end).as_bytes());
            PartEnd::Captured
        }
        Err(error) => {
            sheet.line(format_args!("the console {} could not be read: {error}", path.display()));
            PartEnd::Failed
        }
    }
}

pub(super) fn config(order: &Order, sheet: &mut Sheet) -> PartEnd {
    sheet.section("configured", &order.plan.config_text);
    if let Some(status) = &order.plan.status_json {
        sheet.section("status", status);
    }
    // Last, since a command line is read under a lock of its process and can wait for ever.
    if let Some(process) = order.plan.process.filter(|process| same_process(*process).is_some()) {
        let mut bytes = Vec::new();
        let read = File::open(format!("/proc/{}/cmdline", process.pid))
            .and_then(|file| file.take(128 * 1024).read_to_end(&mut bytes));
        let words = bytes.split(|&b| b == 0).map(plain_text).collect::<Vec<_>>().join("\n");
        sheet.section("running command line", &read.map_or_else(|error| format!("[{error}]"), |_| words));
    }
    PartEnd::Captured
}
