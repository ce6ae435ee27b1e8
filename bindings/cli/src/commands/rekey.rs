//! `vault rekey`, `vault compact`, `vault remove-slot`, `vault recovery-code`, `vault wipe`.

use super::{open, waited_for, with_session};
use crate::args::{Global, Keep, WipeOptions};
use crate::failure::Failure;
use crate::gate::DesktopGate;
use crate::output::{self, count, line, say};
use crate::secrets;
use indicatif::ProgressBar;
use pocketchart_core::access::{Absent, AccessError, CopyWay, Guard, Opening, Person};
use pocketchart_core::vault::{self, SlotId, SlotSummary, Switch, With};
use serde_json::json;
use std::process::ExitCode;

pub(crate) fn rekey(global: &Global, way: CopyWay) -> Result<ExitCode, Failure> {
    let bar = new_key_bar(global);
    let done = with_session(global, |session| {
        Ok(session.guard()?.rekey(way, shown_on(&bar))?)
    });
    bar.finish_and_clear();
    let done = done?;
    let words = format!(
        "The records are in a new file under a new key: {}, before {}.",
        megabytes(done.bytes_now),
        megabytes(done.bytes_before)
    );
    let object = json!({ "bytes": done.bytes_now, "bytes_before": done.bytes_before });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn remove_slot(global: &Global, id: &str, keep: &Keep) -> Result<ExitCode, Failure> {
    let slot = SlotId::parse(id).ok_or_else(|| {
        Failure::Usage(format!(
            "{id} is no slot: `pocketchart vault slots` lists them"
        ))
    })?;
    let gate = DesktopGate::of_platform();
    let bar = new_key_bar(global);
    let dropped = with_session(global, |session| {
        let guard = session.guard()?;
        let kept = kept(&guard, keep)?;
        let removed = guard.remove_slot(slot, &kept, absent(keep), Some(&gate), shown_on(&bar));
        Ok(waited_for(removed)??)
    });
    bar.finish_and_clear();
    let dropped = dropped?;
    let words = format!(
        "Slot {slot} opens nothing any more.{}",
        with_dropped(&dropped)
    );
    let object = json!({ "removed": slot.to_string(), "dropped": ids(&dropped) });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn recovery_code(global: &Global, keep: &Keep) -> Result<ExitCode, Failure> {
    let guard = open(global)?;
    let bar = new_key_bar(global);
    let kept = kept(&guard, keep)?;
    let shown = |code: &vault::RecoveryCode| super::vault::show_code(global, code);
    let replaced = guard.replace_recovery_code(&kept, absent(keep), shown_on(&bar), shown);
    bar.finish_and_clear();
    guard.lock()?;
    let dropped = replaced?;
    let words = format!(
        "The new recovery code holds; the one before opens nothing any more.{}",
        with_dropped(&dropped)
    );
    let object = json!({ "replaced": true, "dropped": ids(&dropped) });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

pub(crate) fn wipe(global: &Global, options: &WipeOptions) -> Result<ExitCode, Failure> {
    let home = secrets::home(global)?;
    let gate = DesktopGate::of_platform();
    // What was begun opens no more, so that nobody can look into it first.
    let unseen = options.without_secret || vault::wipe_was_interrupted(&home);
    let left = if unseen {
        confirm(options, "everything in this vault, looked at by nobody")?;
        waited_for(vault::wipe(&home, Some(&gate)))?.map_err(AccessError::from)?
    } else {
        let guard = open(global)?;
        let changes = guard.unsent_changes()?;
        if changes > 0 && !options.lose_unsent {
            guard.lock()?;
            return Err(AccessError::Unsent { changes }.into());
        }
        let records: u64 = guard.status()?.counts.iter().map(|(_, n)| n).sum();
        let unsent = match changes {
            0 => "no server misses any of them".to_owned(),
            n => format!("{} that no server has", count(n, "change")),
        };
        confirm(
            options,
            &format!("{} here ({unsent})", count(records, "record")),
        )?;
        waited_for(guard.wipe(options.lose_unsent, Some(&gate)))??
    };
    let mut words = format!("The vault in {} is gone.", home.display());
    if left > 0 {
        let keys = count(u64::try_from(left).unwrap_or(u64::MAX), "key");
        words += &format!(
            " {keys} in the desktop's keyring could not be destroyed; nothing is left that they open."
        );
    }
    let object = json!({ "wiped": home.to_string_lossy(), "keys_left": left });
    say(global, &words, &object);
    Ok(ExitCode::SUCCESS)
}

/// Nothing brings it back: a person types the word, a script says `--yes`.
fn confirm(options: &WipeOptions, what: &str) -> Result<(), Failure> {
    if options.yes {
        return Ok(());
    }
    let not_confirmed = || Failure::Usage("nothing was wiped: it takes the word, or --yes".into());
    if !secrets::is_interactive() {
        return Err(not_confirmed());
    }
    line(&format!("This destroys {what}, on this device, for good."));
    if secrets::typed("Type \"wipe\" to go on: ")?.trim() == "wipe" {
        Ok(())
    } else {
        Err(not_confirmed())
    }
}

/// Opens the slots whose secrets were given along, so that they stay.
pub(super) fn kept(guard: &Guard, keep: &Keep) -> Result<Vec<Switch>, Failure> {
    let gate = DesktopGate::of_platform();
    let mut all = Vec::new();
    for (person, file) in &keep.passphrases {
        all.push((person.clone(), secrets::passphrase_in(file)?));
    }
    if let Some(file) = &keep.keep_recovery_code_file {
        all.push((Person::owner(), secrets::recovery_code_in(file)?));
    }
    all.iter()
        .map(|(person, secret)| {
            let opening = Opening {
                person,
                with: With::Secret(secret),
                gate: Some(&gate),
            };
            Ok(waited_for(guard.at_hand(&opening))??)
        })
        .collect()
}

pub(super) fn absent(keep: &Keep) -> Absent {
    if keep.drop_absent {
        Absent::Drop
    } else {
        Absent::Refuse
    }
}

pub(super) fn new_key_bar(global: &Global) -> ProgressBar {
    output::bar(global, "copying the records under a new key")
}

pub(super) fn shown_on(bar: &ProgressBar) -> impl FnMut(u64, u64) {
    |done, total| {
        bar.set_length(total);
        bar.set_position(done);
    }
}

pub(super) fn with_dropped(dropped: &[SlotSummary]) -> String {
    if dropped.is_empty() {
        return String::new();
    }
    let words = dropped.iter().map(SlotSummary::in_words);
    format!(
        " Neither does {}: make them anew.",
        words.collect::<Vec<_>>().join(", nor ")
    )
}

pub(super) fn ids(slots: &[SlotSummary]) -> Vec<String> {
    slots.iter().map(|slot| slot.id.to_string()).collect()
}

fn megabytes(bytes: u64) -> String {
    format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)
}
