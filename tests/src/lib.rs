//! What the scenarios share: throw-away vaults and records.

pub mod draw;
pub mod fake_gate;
pub mod first_load;
pub mod forger;
pub mod generate;
pub mod hand_clock;
pub mod helios;
pub mod hostile;
pub mod http;
pub mod little_server;
pub mod meddling;
pub mod oracle;
pub mod schedules;
pub mod scripted;
pub mod search_parameters;
pub mod served;
pub mod shared_tablet;
pub mod slow_extract;
pub mod small_clinic;
pub mod staff;
pub mod synthea;
pub mod tls;
pub mod toy_server;
pub mod vectors;

use pocketchart_core::access::{
    AccessError, Actor, AuditEntry, AuditKind, EditState, Guard, PeerId, PeerSettings, Saved,
    TrailFilter,
};
use pocketchart_core::clock::{Clock, SystemClock};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::fhir::{Reference, Resource};
use pocketchart_core::net::Server;
use pocketchart_core::sync::{Report, SyncError, SyncRun};
use pocketchart_core::transfer::{Export, Import, ImportReport};
use pocketchart_core::vault::{InvalidRecoveryCode, RecoveryCode, Secret};
use pocketchart_hub::{Hub, Options};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A passphrase that passes the strength check.
pub const PASSPHRASE: &str = "plum orbit lantern 42";

/// What lies beside the repository and is not part of it: `POCKETCHART_SHARED`, or `../shared`. Where it is not there,
/// says on stderr which test was skipped.
pub fn shared(path: &str, test: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let shared = std::env::var_os("POCKETCHART_SHARED").map_or(beside, PathBuf::from);
    let found = shared.join(path);
    if found.exists() {
        return Some(found);
    }
    eprintln!("skipped: {test}: there is no {}", found.display());
    None
}

/// The synthetic clinic, one resource a line.
pub fn clinic() -> String {
    let packed = include_bytes!("../data/clinic.ndjson.zst");
    let text = zstd::decode_all(&packed[..]).unwrap_or_else(|e| fail(&e));
    String::from_utf8(text).unwrap_or_else(|e| fail(&e))
}

/// Makes a vault with a cheap key derivation.
pub fn make_vault(home: &Path) -> (Guard, RecoveryCode) {
    make_vault_at(home, Arc::new(SystemClock))
}

/// As [`make_vault`], under another clock.
pub fn make_vault_at(home: &Path, clock: Arc<dyn Clock>) -> (Guard, RecoveryCode) {
    let passphrase = SecretText::new(PASSPHRASE.into());
    let mut shown = None;
    let keep = |code: &RecoveryCode| {
        shown = RecoveryCode::parse(code.to_text().expose()).ok();
        Ok::<_, AccessError>(())
    };
    let made = Guard::create(home, passphrase, LOWEST_COST, clock, keep);
    let guard = made.unwrap_or_else(|e| fail(&e));
    (guard, shown.unwrap_or_else(|| fail(&InvalidRecoveryCode)))
}

/// Opens it again.
pub fn unlock(home: &Path) -> Guard {
    let opened = Guard::unlock(home, &passphrase(PASSPHRASE), Arc::new(SystemClock));
    opened.unwrap_or_else(|e| fail(&e))
}

/// A passphrase as a secret.
pub fn passphrase(text: &str) -> Secret {
    Secret::Passphrase(SecretText::new(text.into()))
}

/// `Type/id`.
pub fn name(text: &str) -> Reference {
    Reference::parse(text).unwrap_or_else(|e| fail(&e))
}

/// The audit trail, oldest entry first, without those that reading it here adds.
pub fn trail(guard: &Guard) -> Vec<AuditEntry> {
    let guard = guard.acting_as(Actor::owner());
    let mut filter = TrailFilter {
        limit: 200,
        ..TrailFilter::default()
    };
    let mut all = Vec::new();
    loop {
        let page = guard.trail(&filter).unwrap_or_else(|e| fail(&e));
        all.extend(page.entries.into_iter().map(|(_, entry)| entry));
        match page.next {
            Some(next) => filter.before = Some(next),
            None => break,
        }
    }
    all.retain(|entry| entry.kind != AuditKind::Trail);
    all.reverse();
    all
}

/// A resource from its text.
pub fn resource(text: &str) -> Resource<'_> {
    Resource::parse_text(text).unwrap_or_else(|e| fail(&e))
}

/// A patient with a phone number; the spacing and the number are there to be kept.
pub fn patient(id: &str, phone: &str) -> String {
    format!(
        "{{\"resourceType\":\"Patient\", \"id\":\"{id}\",\"telecom\":[{{\"system\":\"phone\",\"value\":\"{phone}\"}}],\
         \"extension\":[{{\"url\":\"urn:x\",\"valueDecimal\":1.00}}]}}"
    )
}

/// An observation about a patient.
pub fn observation(id: &str, patient: &str, value: &str) -> String {
    format!(
        "{{\"resourceType\":\"Observation\",\"id\":\"{id}\",\"subject\":{{\"reference\":\"Patient/{patient}\"}},\
         \"valueQuantity\":{{\"value\":{value}}}}}"
    )
}

/// A hub on a port of its own over a new vault, in this process.
pub struct TestHub {
    /// The hub.
    pub hub: Hub,
    /// The vault behind it.
    pub guard: Guard,
    /// Its authority.
    pub ca_pem: String,
    /// Its admin token.
    pub token: String,
    home: tempfile::TempDir,
}

impl TestHub {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one with other limits.
    pub async fn start_with(options: Options) -> Self {
        let home = tempfile::tempdir().unwrap_or_else(|e| fail(&e));
        let (guard, _) = make_vault(home.path());
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let hub = Hub::start_with(guard.clone(), home.path(), address, options)
            .await
            .unwrap_or_else(|e| fail(&e));
        let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_else(|e| fail(&e));
        let (ca_pem, token) = (read(&hub.ready().ca_file), read(&hub.ready().token_file));
        Self {
            hub,
            guard,
            ca_pem,
            token,
            home,
        }
    }

    /// The same hub at another address.
    pub async fn moved(self) -> Self {
        self.hub.stop().await.unwrap_or_else(|e| fail(&e));
        let address = SocketAddr::from(([127, 0, 0, 1], 0));
        let again = Hub::start(self.guard.clone(), self.home.path(), address).await;
        Self {
            hub: again.unwrap_or_else(|e| fail(&e)),
            ..self
        }
    }

    /// A client with the admin token.
    pub fn client(&self) -> Server {
        self.client_at(&self.hub.ready().url)
    }

    /// A client with the admin token that reaches the hub by another address.
    pub fn client_at(&self, url: &str) -> Server {
        Server::new(url, Some(&self.ca_pem), Some(&self.token)).unwrap_or_else(|e| fail(&e))
    }

    /// A client that trusts the hub and has this token.
    pub fn client_with_token(&self, token: Option<&str>) -> Server {
        Server::new(&self.hub.ready().url, Some(&self.ca_pem), token).unwrap_or_else(|e| fail(&e))
    }

    /// A device that syncs with this hub.
    pub fn device(&self) -> Device {
        Device::of(self.client())
    }
}

/// A vault on a device, and the server it syncs with.
pub struct Device {
    /// The vault.
    pub guard: Guard,
    /// The server.
    pub server: Server,
    /// The only patient it reads.
    pub patient: Option<String>,
    /// Its number in the vault.
    pub peer: PeerId,
    /// Its home.
    pub home: tempfile::TempDir,
}

impl Device {
    /// A new vault that syncs with `server`.
    pub fn of(server: Server) -> Self {
        Self::at(server, Arc::new(SystemClock))
    }

    /// As [`Device::of`], under another clock.
    pub fn at(server: Server, clock: Arc<dyn Clock>) -> Self {
        let home = tempfile::tempdir().unwrap_or_else(|e| fail(&e));
        let (guard, _) = make_vault_at(home.path(), clock);
        let peer = guard
            .remember_peer(server.url(), &PeerSettings::default())
            .unwrap_or_else(|e| fail(&e));
        Self {
            guard,
            server,
            patient: None,
            peer,
            home,
        }
    }

    /// One sync.
    pub async fn try_sync(&self) -> Result<Report, SyncError> {
        let patient = self.patient.as_deref();
        let run = SyncRun {
            guard: &self.guard,
            server: &self.server,
            peer: self.peer,
            patient,
            progress: &|_| {},
        };
        run.run().await
    }

    /// One sync that must go through.
    pub async fn sync(&self) -> Report {
        self.try_sync().await.unwrap_or_else(|e| fail(&e))
    }

    /// Stores a text.
    pub fn put(&self, text: &str) -> Saved {
        self.guard.put(&resource(text)).unwrap_or_else(|e| fail(&e))
    }

    /// The stored text.
    pub fn text(&self, name_text: &str) -> Option<String> {
        self.guard
            .get(&name(name_text))
            .unwrap_or_else(|e| fail(&e))
            .map(|record| record.text)
    }

    /// State of the local change of a record.
    pub fn state(&self, name_text: &str) -> Option<EditState> {
        let pending = self.guard.pending(None).unwrap_or_else(|e| fail(&e));
        pending
            .iter()
            .find(|p| p.name.reference == name(name_text))
            .map(|p| p.state)
    }
}

/// What a scenario cannot do without.
fn required<T, E: std::error::Error>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|e| fail(&e))
}

#[allow(clippy::panic)] // A scenario that cannot be set up has failed.
fn fail(error: &dyn std::error::Error) -> ! {
    panic!("{error}")
}

/// The folder of real data that lies beside the repository, if it is there.
///
/// # Errors
/// What to say when it is not.
pub fn shared_data() -> Result<PathBuf, String> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared");
    let folder = std::env::var_os("POCKETCHART_SHARED").map_or(beside, PathBuf::from);
    let data = folder.join("data");
    if data.is_dir() {
        Ok(data)
    } else {
        Err(format!(
            "skipped: there is no real data at {} (POCKETCHART_SHARED names another place)",
            data.display()
        ))
    }
}

/// Unpacks `archive` into `folder` with the `tar` command.
pub fn untar(archive: &Path, folder: &Path) {
    let mut command = std::process::Command::new("tar");
    command.arg("-xf").arg(archive).arg("-C").arg(folder);
    let status = command.status().unwrap_or_else(|e| fail(&e));
    assert!(status.success(), "tar -xf {}", archive.display());
}

/// Imports paths into a vault.
pub fn import(guard: &Guard, paths: &[PathBuf]) -> ImportReport {
    import_as(guard, paths, false)
}

/// As [`import`], queueing everything where `as_edits` says so.
pub fn import_as(guard: &Guard, paths: &[PathBuf], as_edits: bool) -> ImportReport {
    let progress = &mut |_: pocketchart_core::transfer::Progress<'_>| true;
    let import = Import {
        guard,
        as_edits,
        progress,
    };
    import.run(paths).unwrap_or_else(|e| fail(&e))
}

/// All records of a vault as an export writes them.
pub fn exported(guard: &Guard) -> Vec<String> {
    let export = Export {
        guard,
        patient: None,
    };
    let mut out = Vec::new();
    export
        .write(&mut out, Path::new("memory"))
        .unwrap_or_else(|e| fail(&e));
    let text = String::from_utf8(out).unwrap_or_else(|e| fail(&e));
    text.lines().map(str::to_owned).collect()
}
