//! `policy show`, `policy check`, `policy install`: who may do what.

use super::with_session;
use crate::args::{Global, PolicyCommand};
use crate::failure::Failure;
use crate::output::{result, say};
use crate::secrets;
use pocketchart_core::access::{AccessError, BadPolicy, Policy};
use pocketchart_core::vault;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(global: &Global, command: &PolicyCommand) -> Result<ExitCode, Failure> {
    match command {
        PolicyCommand::Show { role, raw } => show(global, role.as_deref(), *raw),
        PolicyCommand::Check { file } => check(global, file),
        PolicyCommand::Install { file } => install(global, file),
    }
}

fn show(global: &Global, role: Option<&str>, raw: bool) -> Result<ExitCode, Failure> {
    if raw {
        let text = Policy::shipped_text().trim_end();
        // On one line for programs; the order of its members says nothing.
        let compact = serde_json::from_str::<Value>(text);
        result(global, text, &compact.unwrap_or_default());
        return Ok(ExitCode::SUCCESS);
    }
    let Some(policy) = with_session(global, |session| Ok(session.guard()?.policy()))? else {
        return Err(Failure::Usage(
            "the installed policy cannot be read: nobody but the owner may do anything. Install it again".into(),
        ));
    };
    if let Some(role) = role.filter(|role| !policy.roles.contains_key(*role)) {
        let roles: Vec<&str> = policy.roles.keys().map(String::as_str).collect();
        let text = format!(
            "no role {role} in this policy; there are {}",
            roles.join(", ")
        );
        return Err(Failure::Usage(text));
    }
    let of = policy
        .roles
        .iter()
        .filter(|(name, _)| role.is_none_or(|role| role == *name));
    let mut words = vec![format!("Policy {} of {}", policy.version, policy.issued)];
    let mut roles = serde_json::Map::new();
    for (name, rules) in of {
        words.push(format!("{name}:"));
        words.extend(rules.iter().map(|rule| format!("  {rule}")));
        let rules: Vec<String> = rules.iter().map(ToString::to_string).collect();
        roles.insert(name.clone(), json!(rules));
    }
    let object = json!({ "version": policy.version, "issued": policy.issued, "roles": roles });
    result(global, &words.join("\n"), &object);
    Ok(ExitCode::SUCCESS)
}

fn check(global: &Global, file: &Path) -> Result<ExitCode, Failure> {
    let text = read(file)?;
    let new = Policy::parse(&text).map_err(|e| bad(file, &e))?;
    let home = secrets::home(global)?;
    // Without a vault it is compared with what is shipped.
    let current = match vault::exists(&home).map_err(AccessError::from)? {
        true => with_session(global, |session| Ok(session.guard()?.policy()))?,
        false => Policy::shipped().ok(),
    };
    let Some(current) = current else {
        let words = format!(
            "Policy {} is sound; the installed one cannot be read.",
            new.version
        );
        result(
            global,
            &words,
            &json!({ "version": new.version, "sound": true }),
        );
        return Ok(ExitCode::SUCCESS);
    };
    let changes = current.changes_to(&new);
    let same_patients = current.is_about_the_same_patients(&new);
    let mut words = vec![format!(
        "Policy {} of {} is sound. Beside policy {}, which is in force:",
        new.version, new.issued, current.version
    )];
    let mut objects = Vec::new();
    for change in &changes {
        words.push(format!("{}:", change.role));
        words.extend(change.gains.iter().map(|gain| format!("  gains {gain}")));
        words.extend(change.loses.iter().map(|loss| format!("  loses {loss}")));
        objects.push(json!({ "role": change.role, "gains": change.gains, "loses": change.loses }));
    }
    if changes.is_empty() {
        words.push("  no role gains or loses anything".into());
    }
    if !same_patients {
        words.push("  whose patients are whose is another (panels, people, facilities)".into());
    }
    let newer = new.version > current.version;
    let differs = !changes.is_empty() || !same_patients;
    if differs && !newer {
        words.push(format!(
            "To be installed it needs a version above {}",
            current.version
        ));
    }
    let object = json!({
        "version": new.version, "sound": true, "newer": newer, "changes": objects, "same_patients": same_patients,
    });
    result(global, &words.join("\n"), &object);
    Ok(ExitCode::SUCCESS)
}

fn install(global: &Global, file: &Path) -> Result<ExitCode, Failure> {
    let text = read(file)?;
    let version = with_session(global, |session| {
        let guard = session.guard()?;
        // JSON is signed here, as this vault's own authority; a signed text brings its signature.
        let installed = match text.trim_start().starts_with('{') {
            true => guard.sign_and_install_policy(&text),
            false => guard.install_policy(text.trim()),
        };
        installed.map_err(|error| match error {
            AccessError::Policy(BadPolicy::Invalid(e)) => bad(file, &e),
            other => other.into(),
        })
    })?;
    let words = format!("Policy {version} is in force.");
    say(
        global,
        &words,
        &json!({ "version": version, "installed": true }),
    );
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<String, Failure> {
    fs::read_to_string(file).map_err(Failure::file("reading", file))
}

fn bad(file: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::Usage(format!("{}: {error}", file.display()))
}
