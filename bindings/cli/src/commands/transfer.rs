//! `import`, `export`.

use super::export_to::{is_output, patient_id, to_file_or_output};
use super::with_session;
use crate::args::Global;
use crate::failure::Failure;
use crate::output::{ImportProgress, count, line, say};
use pocketchart_core::transfer::{Export, Import, ImportReport};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Refusals and unresolved references that are printed for people; programs get them all.
const SHOWN: usize = 50;

pub(crate) fn import(
    global: &Global,
    paths: &[PathBuf],
    as_edits: bool,
) -> Result<ExitCode, Failure> {
    let bar = ImportProgress::new(global);
    let report = with_session(global, |session| {
        let guard = session.guard()?;
        let import = Import {
            guard: &guard,
            as_edits,
            progress: &mut |progress| {
                bar.show(progress);
                true
            },
        };
        let report = import.run(paths)?;
        super::tidy(&guard)?;
        Ok(report)
    });
    drop(bar);
    let report = report?;
    tell(global, &report, as_edits);
    Ok(if report.refused > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn tell(global: &Global, report: &ImportReport, as_edits: bool) {
    if global.json {
        for refusal in &report.refusals {
            line(
                &json!({
                    "refused": {
                        "file": &*refusal.file,
                        "line": refusal.line,
                        "entry": refusal.entry,
                        "name": refusal.name.as_ref().map(ToString::to_string),
                        "reason": refusal.reason.to_string(),
                    }
                })
                .to_string(),
            );
        }
        for record in &report.unresolved {
            line(&json!({ "unresolved": { "name": record.name.to_string(), "references": record.references } }).to_string());
        }
    } else {
        for refusal in report.refusals.iter().take(SHOWN) {
            eprintln!("pocketchart: not imported: {refusal}");
        }
        more(report.refused, "not imported (--json lists them)");
        for record in report.unresolved.iter().take(SHOWN) {
            eprintln!(
                "pocketchart: {}: {} that no record here answers to",
                record.name,
                count(record.references, "reference")
            );
        }
        let records = u64::try_from(report.unresolved.len()).unwrap_or(u64::MAX);
        more(records, "with unresolved references (--json lists them)");
    }
    let mut words = format!(
        "{} stored, {} there already, {} not imported, from {}",
        count(report.stored, "resource"),
        report.unchanged,
        report.refused,
        count(report.files, "file"),
    );
    if report.ignored > 0 {
        words += &format!("; {} ignored", count(report.ignored, "other file"));
    }
    if as_edits {
        words += "; what changed waits for the next sync";
    }
    let object = json!({
        "stored": report.stored,
        "unchanged": report.unchanged,
        "refused": report.refused,
        "unresolved_references": report.unresolved_references,
        "files": report.files,
        "ignored": report.ignored,
        "bytes": report.bytes,
    });
    say(global, &words, &object);
}

fn more(all: u64, what: &str) {
    let shown = u64::try_from(SHOWN).unwrap_or(u64::MAX);
    if all > shown {
        eprintln!("pocketchart: and {} more {what}", all - shown);
    }
}

pub(crate) fn export(
    global: &Global,
    ndjson: &Path,
    patient: Option<&str>,
) -> Result<ExitCode, Failure> {
    let patient = patient.map(patient_id).transpose()?;
    let to_output = is_output(ndjson);
    let exported = with_session(global, |session| {
        let export = Export {
            guard: &session.guard()?,
            patient: patient.as_ref(),
        };
        to_file_or_output(
            ndjson,
            |path| export.to_file(path),
            |out, name| export.write(out, name),
        )
    })?;
    if !to_output {
        let words = format!(
            "{} written to {}, in clear: keep the file safe",
            count(exported.resources, "resource"),
            ndjson.display()
        );
        let object = json!({ "resources": exported.resources, "bytes": exported.bytes });
        say(global, &words, &object);
    }
    Ok(ExitCode::SUCCESS)
}
