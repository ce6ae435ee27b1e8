//! `demo`: the main job, on embedded parts and synthetic patients, checked as it goes.
//!
//! Nothing is taken on trust: each step compares what it finds with what must be there, and the last line is
//! `demo: ok` only when all of it held.

mod back;
mod clinic;
mod convergence;
mod device;
mod killed;
mod names;
mod offline;
#[path = "../../../../tests/src/schedules.rs"]
#[allow(unreachable_pub)] // It is one of the tests' as well.
mod schedules;
mod stage;
mod story;
mod trail;

pub(crate) use clinic::patients;
pub(crate) use device::create_vault;

use crate::failure::Failure;
use crate::output::{count, grouped, line};
use device::NURSE;
use pocketchart_core::access::Person;
use stage::{OTHER_PATIENT, Stage};
use std::path::Path;
use std::process::ExitCode;
use story::Story;

/// Runs the demo; with `keep` the homes stay there.
pub(crate) fn run(keep: Option<&Path>) -> Result<ExitCode, Failure> {
    let scratch =
        tempfile::tempdir().map_err(Failure::file("creating", Path::new("a temporary folder")))?;
    let folder = match keep {
        Some(folder) => {
            let is_empty =
                std::fs::read_dir(folder).map_or(true, |mut entries| entries.next().is_none());
            if !is_empty {
                return Err(Failure::Usage(format!(
                    "{} is not empty: --keep wants a new folder",
                    folder.display()
                )));
            }
            std::fs::create_dir_all(folder).map_err(Failure::file("creating", folder))?;
            folder
        }
        None => scratch.path(),
    };
    let result = super::commands::runtime()?.block_on(tell(folder, keep.is_some()));
    if result.is_err() {
        line("demo: failed");
    }
    result.map(|()| ExitCode::SUCCESS)
}

async fn tell(folder: &Path, keep: bool) -> Result<(), Failure> {
    let mut story =
        Story::begin("Three vaults on this machine, synthetic patients, no network beyond it.");

    let mut stage = Stage::set(folder, &mut story).await?;
    let wished = offline::write(&mut stage, &mut story).await?;
    offline::meanwhile(&mut stage, &wished, &mut story).await?;
    back::send(&stage, &mut story).await?;
    back::decide(&stage, &mut story).await?;
    back::visit(&stage, &wished, &mut story).await?;

    // What each of them sent last has to reach the other.
    stage.tablet.sync().await?;
    stage.phone.sync().await?;
    let (served, [hub, tablet, phone]) = stage.agree().await?;
    served.holds("Observation/demo-blood-pressure", "\"value\":128")?;
    story.step(&format!(
        "All agree: SHA-256 of stored = served for {} on the hub, {} on the tablet, {} on the phone",
        grouped(hub),
        grouped(tablet),
        grouped(phone)
    ));

    let nurse = Person::new(NURSE);
    let Stage { clinic, tablet, .. } = &mut stage;
    let killed = killed::run(clinic, tablet, &nurse, OTHER_PATIENT).await?;
    story.step(&format!(
        "A sync is killed (SIGKILL) after {} of {} changes were sent, a second one after {} of {} records came",
        grouped(killed.sent),
        grouped(killed.to_send),
        grouped(killed.received),
        grouped(killed.to_receive)
    ));
    story.more(
        "and resumed: every change is on the hub exactly once, nothing is missing or doubled",
    );

    stage.phone.sync().await?;
    let (served, _) = stage.agree().await?;
    story.step(&format!(
        "All agree again, on {}",
        count(served.len(), "record")
    ));

    trail::who(&stage, &mut story)?;

    let Stage {
        clinic,
        phone,
        tablet,
    } = stage;
    let entries = clinic.check()? + phone.check()? + tablet.check()?;
    story.step(&format!(
        "Page MACs, records and audit chains ({} entries) hold in all three vaults",
        grouped(entries)
    ));

    phone.close()?;
    tablet.close()?;
    clinic.close().await?;
    let searched = names::search(folder, &patients()?)?;
    story.step(&format!(
        "The names of {} stand in none of {} ({} MB searched)",
        count(searched.patients, "patient"),
        count(searched.files, "file"),
        searched.bytes / 1_000_000
    ));
    story.end();
    if keep {
        line("Look around (the passphrase files are for this demo only):");
        for home in ["hub", "phone", "tablet"] {
            let home = folder.join(home);
            let passphrase = device::passphrase_file(folder);
            line(&format!(
                "  pocketchart --home {} --passphrase-file {} status",
                home.display(),
                passphrase.display()
            ));
        }
    } else {
        line("The three homes are gone again; `demo --keep DIR` keeps them to look around.");
    }
    line("demo: ok");
    Ok(())
}
