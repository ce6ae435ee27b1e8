//! A phone or a tablet: a vault in a home folder, and the hub it syncs with.

use super::clinic::Clinic;
use super::story::failed;
use crate::failure::Failure;
use pocketchart_core::access::{AccessError, Guard, PeerId, PeerSettings, Saved};
use pocketchart_core::clock::SystemClock;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::DEFAULT_COST;
use pocketchart_core::fhir::{Reference, Resource};
use pocketchart_core::net::Server;
use pocketchart_core::rng;
use pocketchart_core::session::{IdleTimes, Session};
use pocketchart_core::sync::{Report, SyncRun};
use pocketchart_core::vault::Secret;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// One device.
pub(super) struct Device {
    pub(super) home: PathBuf,
    session: Session,
    server: Server,
    peer: PeerId,
    patient: Option<&'static str>,
}

impl Device {
    /// Makes the device's vault and tells it about the hub.
    pub(super) fn create(
        folder: &Path,
        name: &str,
        clinic: &Clinic,
        patient: Option<&'static str>,
    ) -> Result<Self, Failure> {
        let home = folder.join(name);
        let guard = create_vault(folder, &home)?;
        let settings = PeerSettings {
            ca_pem: Some(clinic.ca_pem.clone()),
            token: Some(clinic.token.clone()),
            patient: patient.map(str::to_owned),
        };
        let server = clinic.client()?;
        let peer = guard.remember_peer(server.url(), &settings)?;
        Ok(Self {
            session: session(guard),
            home,
            server,
            peer,
            patient,
        })
    }

    /// The open vault.
    pub(super) fn guard(&self) -> Result<Guard, Failure> {
        Ok(self.session.guard()?)
    }

    pub(super) async fn sync(&self) -> Result<Report, Failure> {
        let guard = self.guard()?;
        let run = SyncRun {
            guard: &guard,
            server: &self.server,
            peer: self.peer,
            patient: self.patient,
            progress: &|_| {},
        };
        Ok(run.run().await?)
    }

    /// Changed records the hub has not acknowledged.
    pub(super) fn waiting(&self) -> Result<usize, Failure> {
        Ok(self.guard()?.status()?.waiting.len())
    }

    /// Puts another number in place of the patient's phone number, and touches nothing else.
    pub(super) fn change_phone_number(&self, patient: &str, number: &str) -> Result<(), Failure> {
        let name = format!("Patient/{patient}");
        let text = self.text(&name)?;
        let begin = "\"telecom\":[{\"system\":\"phone\",\"value\":\"";
        let at = text
            .find(begin)
            .ok_or_else(|| failed("the patient has no phone number"))?
            + begin.len();
        let end = text[at..]
            .find('"')
            .ok_or_else(|| failed("the patient's phone number has no end"))?
            + at;
        self.put(&format!("{}{number}{}", &text[..at], &text[end..]))
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
        let passphrase = fs::read_to_string(passphrase_file(folder))
            .map_err(Failure::file("reading", folder))?;
        let secret = Secret::Passphrase(SecretText::new(passphrase));
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

    fn text(&self, name: &str) -> Result<String, Failure> {
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
    let passphrase = fs::read_to_string(&file).map_err(Failure::file("reading", &file))?;
    let passphrase = SecretText::new(passphrase);
    Guard::create(
        home,
        passphrase,
        DEFAULT_COST,
        Arc::new(SystemClock),
        |_| Ok::<_, Failure>(()),
    )
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
