//! `vault create`, `vault check`; what concerns slots is in `keys` and `rekey`.

use super::{keys, rekey, with_session};
use crate::args::{Global, Vault};
use crate::failure::Failure;
use crate::output::{count, grouped, line, result, say};
use crate::secrets;
use pocketchart_core::access::{AccessError, CopyWay, Guard, Person};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::passphrase_hash::DEFAULT_COST;
use pocketchart_core::vault;
use serde_json::json;
use std::process::ExitCode;
use std::sync::Arc;

pub(crate) fn run(global: &Global, command: &Vault) -> Result<ExitCode, Failure> {
    match command {
        Vault::Create => create(global),
        Vault::Check { accept_loss } => check(global, *accept_loss),
        Vault::Slots => keys::slots(global),
        Vault::AddSlot { label, kind } => keys::add_slot(global, label, kind),
        Vault::Rekey => rekey::rekey(global, CopyWay::Pages),
        Vault::Compact => rekey::rekey(global, CopyWay::Rows),
        Vault::RemoveSlot { id, keep } => rekey::remove_slot(global, id, keep),
        Vault::RecoveryCode { keep } => rekey::recovery_code(global, keep),
        Vault::Wipe(options) => rekey::wipe(global, options),
    }
}

fn create(global: &Global) -> Result<ExitCode, Failure> {
    let home = secrets::home(global)?;
    if vault::exists(&home).map_err(AccessError::from)? {
        let exists = vault::VaultError::Exists { home };
        return Err(Failure::Access(exists.into()));
    }
    let passphrase = secrets::new_passphrase(global.passphrase_file.as_deref(), &Person::owner())?;
    let confirm = |code: &vault::RecoveryCode| show_code(global, code);
    let guard = Guard::create(
        &home,
        passphrase,
        DEFAULT_COST,
        Arc::new(SystemClock),
        confirm,
    )?;
    guard.lock()?;
    let object = json!({ "created": home.to_string_lossy() });
    say(
        global,
        &format!("Vault made in {}", home.display()),
        &object,
    );
    Ok(ExitCode::SUCCESS)
}

/// Shows a new recovery code, this once, and on a terminal has it typed back.
pub(super) fn show_code(global: &Global, code: &vault::RecoveryCode) -> Result<(), Failure> {
    let shown = code.to_text();
    let words = format!(
        "Recovery code, shown this once. Write it down and keep it apart from this device:\n\n    {}\n",
        shown.expose()
    );
    // Not `say`: a vault whose code nobody saw could not be recovered, so --quiet does not hide it.
    if global.json {
        line(&json!({ "recovery_code": shown.expose() }).to_string());
    } else {
        line(&words);
    }
    if secrets::is_interactive() && !global.json {
        secrets::confirm(code)
    } else {
        Ok(())
    }
}

fn check(global: &Global, accept_loss: bool) -> Result<ExitCode, Failure> {
    let found = with_session(global, |session| {
        let guard = session.guard()?;
        if accept_loss {
            guard.accept_loss()?;
        }
        Ok(guard.check()?)
    })?;
    let object = json!({
        "ok": found.problems.is_empty(),
        "records": found.records,
        "audit_entries": found.audit_entries,
        "problems": found.problems,
    });
    let entries = u64::try_from(found.audit_entries).unwrap_or(0);
    let mut words = format!(
        "Checked: header, engine, page MACs, {}, {} audit entries.",
        count(found.records, "record"),
        grouped(entries)
    );
    if found.problems.is_empty() {
        words += " All is well.";
        result(global, &words, &object);
        return Ok(ExitCode::SUCCESS);
    }
    for problem in &found.problems {
        words += &format!("\n  wrong: {problem}");
    }
    words += "\nNothing was changed or deleted. Keep the folder as it is and restore from a backup, or sync into a new vault.";
    result(global, &words, &object);
    Ok(ExitCode::FAILURE)
}
