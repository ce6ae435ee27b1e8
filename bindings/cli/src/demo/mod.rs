//! `demo`: the main job, on embedded parts and synthetic patients, checked as it goes.
//!
//! Nothing is taken on trust: each step compares what it finds with what must be there, and the last line is
//! `demo: ok` only when all of it held.

mod clinic;
mod convergence;
mod device;
mod killed;
mod names;
mod story;

pub(crate) use clinic::patients;
pub(crate) use device::create_vault;

use crate::failure::Failure;
use crate::output::{count, grouped, line};
use clinic::Clinic;
use convergence::Served;
use device::{Device, NURSE};
use pocketchart_core::access::{Person, Role};
use std::path::Path;
use std::process::ExitCode;
use story::{Story, ensure};

/// The patient whose phone it is, and the one the tablet edits: two adults of the committed clinic.
const PHONE_PATIENT: &str = "3e57f0b3-35af-7046-2a68-87e931f7a1ea";
const OTHER_PATIENT: &str = "2c03832c-8ac3-aaf8-916a-c5fb94c6774c";

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

    let mut clinic = Clinic::open(folder).await?;
    story.step(&format!(
        "A clinic's hub starts: encrypted vault, own authority, TLS at {}",
        clinic.url()
    ));

    let lines = patients()?;
    let transactions = clinic.load(&lines).await?;
    let total = u64::try_from(lines.len()).unwrap_or(0);
    story.step(&format!(
        "{} go in, in {}",
        count(total, "record"),
        count(transactions, "transaction")
    ));

    let phone = Device::phone(folder, &clinic, PHONE_PATIENT).await?;
    let mut tablet = Device::tablet(folder, &clinic).await?;
    story.step("A patient's phone and a staff tablet join by a code each, approved by fingerprint");
    let (nurse, keeper) = (Person::new(NURSE), Person::owner());
    let (to_phone, to_tablet) = (phone.sync().await?, tablet.sync().await?);
    ensure(
        to_tablet.received == total,
        "the tablet has received every record",
    )?;
    ensure(
        to_phone.received > 0 && to_phone.received < total,
        "the phone has received one patient's records",
    )?;
    story.step(&format!(
        "A patient's phone receives {} (own and directory), a staff tablet {}",
        grouped(to_phone.received),
        grouped(to_tablet.received)
    ));

    clinic.go_offline().await?;
    phone.change_phone_number(PHONE_PATIENT, "555-0100-2026")?;
    tablet.hand_to(&nurse).await?;
    tablet.record_blood_pressure("demo-blood-pressure", OTHER_PATIENT, 128, 82)?;
    tablet.change_phone_number(OTHER_PATIENT, "555-0177-2026")?;
    tablet.hand_to(&keeper).await?;
    for device in [&phone, &tablet] {
        ensure(
            device.sync().await.is_err_and(|e| e.exit_code() == 5),
            "a sync without a network says so",
        )?;
    }
    ensure(
        phone.waiting()? == 1 && tablet.waiting()? == 2,
        "what was written offline waits",
    )?;
    story.step(
        "Both go offline. The phone changes a phone number; on the tablet a nurse records a blood pressure,",
    );
    story.more("edits another patient and hands the tablet back. Offline, a sync says so; 1 and 2 changes wait");

    clinic.come_back().await?;
    let (from_phone, from_tablet) = (phone.sync().await?, tablet.sync().await?);
    let again = phone.sync().await?;
    ensure(
        from_phone.sent == 1 && from_tablet.sent == 2,
        "each waiting change was sent once",
    )?;
    ensure(
        phone.waiting()? == 0 && tablet.waiting()? == 0,
        "nothing waits any more",
    )?;
    ensure(
        from_tablet.received == 1,
        "the tablet has received the phone's change",
    )?;
    ensure(
        again.sent == 0 && again.conflicts == 0,
        "a further sync sends nothing",
    )?;
    story.step(
        "Both come back: 1 and 2 changes sent, each once; the phone's change reaches the tablet",
    );
    let patient = format!("patient-{PHONE_PATIENT}");
    for (person, role, device) in [
        (NURSE, Role::NURSE, &tablet),
        (&patient, Role::PATIENT, &phone),
    ] {
        ensure(
            clinic.device_of_last_write(person, &role)? == Some(device.guard()?.device()?),
            "the hub's trail names who wrote, whoever had the device when it was sent",
        )?;
    }
    story.more("The hub's trail names the nurse and the patient as authors, in their roles");

    let served = Served::all(&clinic).await?;
    served.equals("hub", &clinic.guard, |_| true)?;
    let on_phone = served.equals("phone", &phone.guard()?, |record| {
        record.is_of(PHONE_PATIENT)
    })?;
    let on_tablet = served.equals("tablet", &tablet.guard()?, |_| true)?;
    served.holds(&format!("Patient/{PHONE_PATIENT}"), "555-0100-2026")?;
    served.holds(&format!("Patient/{OTHER_PATIENT}"), "555-0177-2026")?;
    served.holds("Observation/demo-blood-pressure", "\"value\":128")?;
    story.step(&format!(
        "All agree: SHA-256 of stored = served for {} on the hub, {} on the tablet, {} on the phone",
        grouped(served.len()),
        grouped(on_tablet),
        grouped(on_phone)
    ));

    let killed = killed::run(&mut clinic, &mut tablet, &nurse, OTHER_PATIENT).await?;
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

    phone.sync().await?;
    let served = Served::all(&clinic).await?;
    served.equals("hub", &clinic.guard, |_| true)?;
    served.equals("phone", &phone.guard()?, |record| {
        record.is_of(PHONE_PATIENT)
    })?;
    served.equals("tablet", &tablet.guard()?, |_| true)?;
    story.step(&format!(
        "All agree again, on {}",
        count(served.len(), "record")
    ));

    let entries = clinic.check()? + phone.check()? + tablet.check()?;
    story.step(&format!(
        "Page MACs, records and audit chains ({} entries) hold in all three vaults",
        grouped(entries)
    ));

    phone.close()?;
    tablet.close()?;
    clinic.close().await?;
    let searched = names::search(folder, &lines)?;
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
