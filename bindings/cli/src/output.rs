//! Lines for people, objects for programs, bars for whoever waits.

use crate::args::Global;
use indicatif::{ProgressBar, ProgressStyle};
use pocketchart_core::sync::Progress;
use pocketchart_core::transfer;
use serde_json::{Value, json};
use std::io::{IsTerminal, Write};

/// Prints a line. Whoever closed the other end does not want it; the work goes on.
pub(crate) fn line(words: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{words}");
}

/// Prints what was asked for: the object with `--json`, else the words.
pub(crate) fn result(global: &Global, words: &str, object: &Value) {
    if global.json {
        line(&object.to_string());
    } else {
        line(words);
    }
}

/// Prints what was done; not with `--quiet`.
pub(crate) fn say(global: &Global, words: &str, object: &Value) {
    if !global.quiet || global.json {
        result(global, words, object);
    }
}

/// "1 record", "2 records".
pub(crate) fn count(n: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(n), if n == 1 { "" } else { "s" })
}

/// 4854 as 4,854.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + 4);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A bar on a terminal; hidden elsewhere.
pub(crate) fn bar(global: &Global, message: &'static str) -> ProgressBar {
    if global.json || global.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0).with_message(message);
    let style = ProgressStyle::with_template("{msg:<40} {wide_bar} {pos}/{len}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

/// How far a sync is: a bar on a terminal, objects with `--json`, else nothing.
pub(crate) struct SyncProgress {
    bar: Option<ProgressBar>,
    json: bool,
}

impl SyncProgress {
    pub(crate) fn new(global: &Global) -> Self {
        let bar = (!global.json && !global.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let style = ProgressStyle::with_template("{msg:<40} {wide_bar} {pos}/{len}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self {
            bar,
            json: global.json,
        }
    }

    pub(crate) fn show(&self, progress: Progress) {
        let (message, done, total, object) = match progress {
            Progress::Sending { done, total } => (
                "sending".to_owned(),
                done,
                total,
                json!({ "progress": "sending", "done": done, "total": total }),
            ),
            Progress::Receiving {
                kind,
                records,
                done,
                total,
            } => (
                format!("receiving {kind} ({} so far)", count(records, "record")),
                done,
                total,
                json!({ "progress": "receiving", "type": kind.name(), "records": records, "done": done, "total": total }),
            ),
        };
        if self.json {
            line(&object.to_string());
        }
        if let Some(bar) = &self.bar {
            bar.set_length(total);
            bar.set_position(done);
            bar.set_message(message);
        }
    }
}

impl Drop for SyncProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far an import is: a bar on a terminal, else nothing.
pub(crate) struct ImportProgress {
    bar: Option<ProgressBar>,
}

impl ImportProgress {
    pub(crate) fn new(global: &Global) -> Self {
        let bar = (!global.json && !global.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            let template = "{msg:<48} {wide_bar} {bytes}/{total_bytes} {eta}";
            let style = ProgressStyle::with_template(template);
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        Self { bar }
    }

    pub(crate) fn show(&self, progress: transfer::Progress<'_>) {
        let Some(bar) = &self.bar else { return };
        let name = progress.file.rsplit(['/', '\\']).next().unwrap_or_default();
        let short: String = name.chars().take(24).collect();
        bar.set_length(progress.bytes_total);
        bar.set_position(progress.bytes_done);
        bar.set_message(format!(
            "{short} ({})",
            count(progress.resources, "resource")
        ));
    }
}

impl Drop for ImportProgress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
