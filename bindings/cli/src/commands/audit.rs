//! `audit`: the trail to read, to check, and to hand on.

use super::export_to::{is_output, patient_id, to_file_or_output};
use super::{table, with_session};
use crate::args::{Audit, Global};
use crate::failure::Failure;
use crate::output::{count, line, result, say};
use pocketchart_core::access::{
    AccessError, AuditEntry, AuditKind, Change, TrailFilter, TrailPage,
};
use pocketchart_core::fhir::Instant;
use pocketchart_core::fhir::instant::Span;
use pocketchart_core::session::Session;
use pocketchart_core::transfer::TrailExport;
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;

/// Said with every check that holds: what it cannot show here.
const NO_ANCHOR: &str = "This computer has no place for an anchor outside of the vault, so an end that was cut off, or an older \
                         vault put back as a whole, does not show (docs/audit.md).";

pub(crate) fn run(global: &Global, audit: &Audit) -> Result<ExitCode, Failure> {
    if audit.verify {
        return verify(global);
    }
    if let Some(file) = &audit.export {
        return export(global, file);
    }
    let filter = filter(audit)?;
    with_session(global, |session| pages(global, session, audit, filter))?;
    Ok(ExitCode::SUCCESS)
}

fn verify(global: &Global) -> Result<ExitCode, Failure> {
    let verified = with_session(global, |session| Ok(session.guard()?.verify_trail()))?;
    match verified {
        Ok(entries) => {
            let number = u64::try_from(entries).unwrap_or(0);
            let entries = if number == 1 { "entry" } else { "entries" };
            let words = format!(
                "Checked: {number} {entries} of the audit trail. None was changed, removed, inserted or moved.\n{NO_ANCHOR}"
            );
            result(
                global,
                &words,
                &json!({ "ok": true, "entries": number, "anchor": false }),
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(AccessError::Audit(error)) => {
            let words = format!(
                "The audit trail does not hold: {error}.\nNothing was changed or deleted. Keep the folder as it is, and compare it with a backup."
            );
            let object =
                json!({ "ok": false, "entry": error.entry(), "problem": error.to_string() });
            result(global, &words, &object);
            Ok(ExitCode::FAILURE)
        }
        Err(other) => Err(other.into()),
    }
}

fn export(global: &Global, file: &Path) -> Result<ExitCode, Failure> {
    let to_output = is_output(file);
    let exported = with_session(global, |session| {
        let guard = session.guard()?;
        let export = TrailExport { guard: &guard };
        to_file_or_output(
            file,
            |path| export.to_file(path),
            |out, name| export.write(out, name),
        )
    })?;
    if !to_output {
        let words = format!(
            "{} written to {}, in clear: it says who saw whom. Keep the file safe",
            count(exported.resources, "audit event"),
            file.display()
        );
        let object = json!({ "events": exported.resources, "bytes": exported.bytes });
        say(global, &words, &object);
    }
    Ok(ExitCode::SUCCESS)
}

fn filter(audit: &Audit) -> Result<TrailFilter, Failure> {
    let patient = audit.who.as_deref().or(audit.patient.as_deref());
    let kind = |name: &String| {
        AuditKind::named(name).ok_or_else(|| {
            let known: Vec<&str> = AuditKind::ALL.iter().map(|kind| kind.name()).collect();
            Failure::Usage(format!(
                "--kind: there is no {name}; there are {}",
                known.join(", ")
            ))
        })
    };
    Ok(TrailFilter {
        patient: patient.map(patient_id).transpose()?,
        person: audit.by.clone(),
        kinds: audit.kind.iter().map(kind).collect::<Result<_, _>>()?,
        span: span(audit)?,
        before: audit.before,
        limit: usize::from(audit.count),
    })
}

fn span(audit: &Audit) -> Result<Option<Span>, Failure> {
    let parse = |option: &str, text: &Option<String>| {
        let read = |text: &String| {
            Span::parse(text).map_err(|e| Failure::Usage(format!("--{option}: {e}")))
        };
        text.as_ref().map(read).transpose()
    };
    let (since, until) = (parse("since", &audit.since)?, parse("until", &audit.until)?);
    if since.is_none() && until.is_none() {
        return Ok(None);
    }
    Ok(Some(Span {
        first: since.map_or(Instant::from_epoch_ms(i64::MIN), |span| span.first),
        end: until.map_or(Instant::from_epoch_ms(i64::MAX), |span| span.end),
    }))
}

fn pages(
    global: &Global,
    session: &Session,
    audit: &Audit,
    mut filter: TrailFilter,
) -> Result<(), Failure> {
    let mut shown = 0;
    loop {
        // A guard per page: a long walk is many short pieces of work.
        let page = session.guard()?.trail(&filter)?;
        shown += page.entries.len();
        print(global, &page);
        match page.next {
            Some(next) if audit.all => filter.before = Some(next),
            next => {
                tell(global, audit, shown, next);
                return Ok(());
            }
        }
    }
}

fn print(global: &Global, page: &TrailPage) {
    if global.json {
        for (seq, entry) in &page.entries {
            line(&object(*seq, entry).to_string());
        }
        return;
    }
    let rows: Vec<Vec<String>> = page
        .entries
        .iter()
        .map(|(seq, entry)| row(*seq, entry))
        .collect();
    if !rows.is_empty() {
        let header = ["entry", "when", "who", "did", "what", "patients", "more"];
        let narrow = [(0, 12), (1, 24), (3, 24)];
        for row in table::lines(table::screen_width(), Some(&header), &narrow, &rows) {
            line(&row);
        }
    }
}

fn tell(global: &Global, audit: &Audit, shown: usize, next: Option<i64>) {
    if global.json {
        if let Some(next) = next {
            line(&json!({ "next": next }).to_string());
        }
        return;
    }
    // With a filter beside it nobody can say that of the whole trail.
    let narrowed = audit.by.is_some()
        || !audit.kind.is_empty()
        || audit.since.is_some()
        || audit.until.is_some()
        || audit.before.is_some();
    match (next, &audit.who) {
        (Some(next), _) => {
            eprintln!("pocketchart: there are more: --before {next} goes on, --all shows all")
        }
        (None, Some(who)) if shown == 0 && !narrowed => {
            line(&format!("Nobody saw or changed anything about {who} here."))
        }
        (None, _) if shown == 0 => line("No such entry."),
        (None, _) => {}
    }
}

fn object(seq: i64, entry: &AuditEntry) -> Value {
    let mut object = serde_json::to_value(entry).unwrap_or_default();
    object["entry"] = seq.into();
    object["at"] = Instant::from_epoch_ms(entry.at_ms).to_string().into();
    object
}

fn row(seq: i64, entry: &AuditEntry) -> Vec<String> {
    let by = match &entry.role {
        role if role.is_empty() || *role == entry.person => entry.person.clone(),
        role => format!("{} ({role})", entry.person),
    };
    let mut more = Vec::new();
    more.extend(entry.via.as_ref().map(|id| format!("handed on by {id}")));
    more.extend(entry.device.as_ref().map(|id| format!("through {id}")));
    more.extend(entry.facility.as_ref().map(|id| format!("at {id}")));
    more.extend(entry.reason.as_ref().map(|why| format!("because: {why}")));
    more.extend(entry.rule.as_ref().map(|rule| format!("rule: {rule}")));
    more.extend(entry.revision.map(|n| format!("revision {n}")));
    let patients = match &entry.patients[..] {
        all @ ([] | [_] | [_, _] | [_, _, _]) => all.join(", "),
        [first, second, rest @ ..] => format!("{first}, {second} and {} more", rest.len()),
    };
    vec![
        seq.to_string(),
        Instant::from_epoch_ms(entry.at_ms).to_string(),
        by,
        did(entry),
        entry.what.clone(),
        patients,
        more.join("; "),
    ]
}

/// What the person did, in a few words.
fn did(entry: &AuditEntry) -> String {
    let records = |verb: &str| match entry.count {
        Some(n) => format!("{verb} {}", count(n, "record")),
        None => verb.to_owned(),
    };
    let both = |before: &str, after: &str| if entry.done { after } else { before }.to_owned();
    match entry.kind {
        AuditKind::Unlock => "opened the vault".into(),
        AuditKind::Lock => "locked the vault".into(),
        AuditKind::FailedTries => {
            format!("{} tried", count(entry.count.unwrap_or(0), "wrong secret"))
        }
        AuditKind::Switch => "took over the open vault".into(),
        AuditKind::Read if entry.count == Some(0) => "looked for, found nothing".into(),
        AuditKind::Read => "looked at".into(),
        AuditKind::Search => records("searched, got"),
        AuditKind::Write => "was about to write".into(),
        AuditKind::Written => match entry.change {
            Some(Change::Create) => "created".into(),
            Some(Change::Update) => "changed".into(),
            Some(Change::Delete) => "deleted".into(),
            None => "wrote".into(),
        },
        AuditKind::Pull => records("received"),
        AuditKind::Push => records("sent"),
        AuditKind::Import => records("imported"),
        AuditKind::Export => records("exported"),
        AuditKind::Check => "checked".into(),
        AuditKind::Trail => "read this trail".into(),
        AuditKind::Denied => match entry.count {
            Some(n) => format!("turned away, {n} times"),
            None => "was turned away".into(),
        },
        AuditKind::BreakGlass => "opened in an emergency".into(),
        AuditKind::Policy => both("was about to change the policy", "changed the policy"),
        AuditKind::People => both("was about to change people", "changed people"),
        AuditKind::Device => both("was about to change devices", "changed devices"),
        AuditKind::Slots => both("was about to change slots", "changed slots"),
        AuditKind::Keys => both("was about to replace keys", "replaced keys"),
        AuditKind::Wipe => "wiped the vault".into(),
        AuditKind::Lost => format!(
            "{} found missing",
            count(entry.count.unwrap_or(0), "change")
        ),
        AuditKind::Rollback => "vault found older".into(),
    }
}
