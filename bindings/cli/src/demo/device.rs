//! A phone or a tablet: a vault in a home folder, and the hub it syncs with.

use super::clinic::Clinic;
use super::story::failed;
use crate::failure::Failure;
use pocketchart_core::access::people::Grant;
use pocketchart_core::access::{AccessError, Guard, Opening, PeerId, Person, Role, Saved};
use pocketchart_core::care::booking::{BookingReport, BookingRun};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::DEFAULT_COST;
use pocketchart_core::fhir::{Reference, Resource};
use pocketchart_core::net::Server;
use pocketchart_core::rng;
use pocketchart_core::session::{IdleTimes, Session};
use pocketchart_core::sync::{Joined, Report, SyncRun, join};
use pocketchart_core::vault::{NewSecret, NewSlot, Secret, With};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The nurse on the tablet.
pub(super) const NURSE: &str = "nurse-1";
/// And the physician.
pub(super) const PHYSICIAN: &str = "physician-1";

/// What a sync did.
pub(super) struct Synced {
    pub(super) records: Report,
    pub(super) visits: BookingReport,
}

/// One device.
pub(super) struct Device {
    pub(super) home: PathBuf,
    session: Session,
    server: Server,
    peer: PeerId,
    patient: Option<&'static str>,
}

impl Device {
    /// A patient's own phone: makes its vault and joins the hub.
    pub(super) async fn phone(
        folder: &Path,
        clinic: &Clinic,
        patient: &'static str,
    ) -> Result<Self, Failure> {
        let home = folder.join("phone");
        let guard = create_vault(folder, &home)?;
        let grant = Grant {
            name: "phone".into(),
            patient: Some(patient.into()),
            facility: None,
            person: None,
            role: None,
        };
        Self::join(home, guard, clinic, &grant, Some(patient)).await
    }

    /// A shared tablet with a nurse and a physician on it, each with a passphrase of their own.
    pub(super) async fn tablet(folder: &Path, clinic: &Clinic) -> Result<Self, Failure> {
        let home = folder.join("tablet");
        let guard = create_vault(folder, &home)?;
        let staff = [(NURSE, Role::NURSE), (PHYSICIAN, Role::PHYSICIAN)];
        for (person, role) in &staff {
            let person = Person::new(*person);
            let slot = NewSlot {
                label: role.to_string(),
                secret: NewSecret::Passphrase {
                    text: passphrase_of(folder, &person)?,
                    cost: DEFAULT_COST,
                    evaluate: false,
                },
            };
            guard.add_person(&person, role, slot, None).await?;
        }
        let grant = Grant {
            name: "tablet".into(),
            patient: None,
            facility: Some("clinic".into()),
            person: None,
            role: None,
        };
        let tablet = Self::join(home, guard, clinic, &grant, None).await?;
        clinic.approve_staff(&staff).await?;
        Ok(tablet)
    }

    /// Presents a code, is approved by its fingerprint, and gets a token of its own.
    async fn join(
        home: PathBuf,
        guard: Guard,
        clinic: &Clinic,
        grant: &Grant,
        patient: Option<&'static str>,
    ) -> Result<Self, Failure> {
        let code = clinic.enrol(grant).await?;
        let Joined::Waiting { fingerprint } = join(&guard, &code).await? else {
            return Err(failed("a device came in that nobody approved"));
        };
        clinic.approve(&fingerprint).await?;
        let Joined::Done { peer, .. } = join(&guard, &code).await? else {
            return Err(failed("an approved device does not come in"));
        };
        let (_, url, settings) = guard
            .peers()?
            .into_iter()
            .next()
            .ok_or_else(|| failed("the device does not remember the hub"))?;
        let (ca, token) = (settings.ca_pem.as_deref(), settings.token.as_deref());
        let server = Server::new(&url, ca, token)?;
        Ok(Self {
            session: session(guard),
            home,
            server,
            peer,
            patient,
        })
    }

    /// The tablet in the hands of one of the staff, or back in its keeper's.
    pub(super) async fn hand_to(&self, person: &Person) -> Result<(), Failure> {
        let folder = self.home.parent().unwrap_or(&self.home);
        let secret = Secret::Passphrase(passphrase_of(folder, person)?);
        let opening = Opening {
            person,
            with: With::Secret(&secret),
            gate: None,
        };
        Ok(self.session.switch(&opening).await?)
    }

    /// The open vault.
    pub(super) fn guard(&self) -> Result<Guard, Failure> {
        Ok(self.session.guard()?)
    }

    /// Asks for visits, then syncs, as the command `sync` does.
    pub(super) async fn sync(&self) -> Result<Synced, Failure> {
        let guard = self.guard()?;
        let (server, peer) = (&self.server, self.peer);
        let visits = BookingRun {
            guard: &guard,
            server,
            peer,
        };
        let visits = visits.run().await?;
        let run = SyncRun {
            guard: &guard,
            server,
            peer,
            patient: self.patient,
            progress: &|_| {},
        };
        let records = run.run().await?;
        Ok(Synced { records, visits })
    }

    /// Changed records the hub has not acknowledged.
    pub(super) fn waiting(&self) -> Result<usize, Failure> {
        Ok(self.guard()?.status()?.waiting.len())
    }

    /// Puts another value behind `begin` in a record, and touches nothing else.
    pub(super) fn change(&self, record: &str, begin: &str, value: &str) -> Result<(), Failure> {
        self.put(&with_value(&self.text(record)?, begin, value)?)
    }

    /// Records a new blood pressure.
    pub(super) fn record_blood_pressure(
        &self,
        id: &str,
        patient: &str,
        systolic: u32,
        diastolic: u32,
    ) -> Result<(), Failure> {
        let component = |code: &str, value: u32| {
            format!(
                "{{\"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"{code}\"}}]}},\
                 \"valueQuantity\":{{\"value\":{value},\"unit\":\"mm[Hg]\",\
                 \"system\":\"http://unitsofmeasure.org\",\"code\":\"mm[Hg]\"}}}}"
            )
        };
        self.put(&format!(
            "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"status\":\"final\",\
             \"category\":[{{\"coding\":[{{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\
             \"code\":\"vital-signs\"}}]}}],\
             \"code\":{{\"coding\":[{{\"system\":\"http://loinc.org\",\"code\":\"85354-9\"}}]}},\
             \"subject\":{{\"reference\":\"Patient/{patient}\"}},\"effectiveDateTime\":\"2026-11-24T09:30:00Z\",\
             \"component\":[{},{}]}}",
            component("8480-6", systolic),
            component("8462-4", diastolic)
        ))
    }

    /// Opens the vault again after [`Device::close`].
    pub(super) fn reopen(&mut self) -> Result<(), Failure> {
        let folder = self.home.parent().unwrap_or(&self.home);
        let secret = Secret::Passphrase(passphrase_of(folder, &Person::owner())?);
        self.session = session(Guard::unlock(&self.home, &secret, Arc::new(SystemClock))?);
        Ok(())
    }

    /// Checks the vault's files; answers with the number of audit entries.
    pub(super) fn check(&self) -> Result<u64, Failure> {
        check(&self.guard()?)
    }

    /// Locks: files closed, keys gone, free for another process.
    pub(super) fn close(&self) -> Result<(), Failure> {
        Ok(self.session.lock()?)
    }

    /// A record as it stands here.
    pub(super) fn text(&self, name: &str) -> Result<String, Failure> {
        let name = Reference::parse(name).map_err(|e| failed(&e.to_string()))?;
        let record = self.guard()?.get(&name)?;
        Ok(record
            .ok_or_else(|| failed("the record is not on the device"))?
            .text)
    }

    fn put(&self, text: &str) -> Result<(), Failure> {
        let resource = Resource::parse_text(text).map_err(AccessError::from)?;
        let saved = self.guard()?.put(&resource)?;
        if saved == Saved::Queued {
            Ok(())
        } else {
            Err(failed("a change was not queued"))
        }
    }
}

fn session(guard: Guard) -> Session {
    Session::start(guard, IdleTimes::USUAL, Arc::new(SystemClock))
}

/// Makes a vault; its passphrase, one for all three, is drawn at random and left in a file beside the homes.
pub(crate) fn create_vault(folder: &Path, home: &Path) -> Result<Guard, Failure> {
    let file = passphrase_file(folder);
    if !file.exists() {
        write_private(&file, &rng::make_uuid().map_err(AccessError::from)?)?;
    }
    Guard::create(
        home,
        passphrase_of(folder, &Person::owner())?,
        DEFAULT_COST,
        Arc::new(SystemClock),
        |_| Ok::<_, Failure>(()),
    )
}

/// The passphrase in the file is the owner's; each of the others has it with the own name behind it.
fn passphrase_of(folder: &Path, person: &Person) -> Result<SecretText, Failure> {
    let file = passphrase_file(folder);
    let mut text = fs::read_to_string(&file).map_err(Failure::file("reading", &file))?;
    if *person != Person::owner() {
        text = format!("{text} {person}");
    }
    Ok(SecretText::new(text))
}

/// Where a patient's phone number begins.
pub(super) const PHONE: &str = "\"telecom\":[{\"system\":\"phone\",\"value\":\"";
/// And the postal code.
pub(super) const POSTAL_CODE: &str = "\"postalCode\":\"";

/// `text` with another value behind `begin`.
pub(super) fn with_value(text: &str, begin: &str, value: &str) -> Result<String, Failure> {
    let missing = || failed("a record lacks what is to be changed");
    let at = text.find(begin).ok_or_else(missing)? + begin.len();
    let end = text[at..].find('"').ok_or_else(missing)? + at;
    Ok(format!("{}{value}{}", &text[..at], &text[end..]))
}

/// Where the demo's passphrase is.
pub(super) fn passphrase_file(folder: &Path) -> PathBuf {
    folder.join("passphrase")
}

/// Page MACs, records, audit chain of one vault; answers with the number of audit entries.
pub(super) fn check(guard: &Guard) -> Result<u64, Failure> {
    let found = guard.check()?;
    match found.problems.first() {
        None => Ok(u64::try_from(found.audit_entries).unwrap_or(0)),
        Some(problem) => Err(failed(problem)),
    }
}

fn write_private(path: &Path, text: &str) -> Result<(), Failure> {
    use std::io::Write;
    let mut options = fs::OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.write(true).create_new(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(Failure::file("writing", path))
}
