//! A device: a real vault, and a sync that can be dropped at any await.

use super::clock::DeviceClock;
use super::network::SimWire;
use super::world::Shared;
use crate::access::{Actor, Guard, PeerId, PeerSettings, Person, Role};
use crate::clock::{Clock, SystemClock};
use crate::crypto::SecretText;
use crate::crypto::passphrase_hash::LOWEST_COST;
use crate::fhir::Reference;
use crate::net::Server;
use crate::sync::{Report, SyncError, SyncRun};
use crate::vault::Secret;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tempfile::TempDir;

const PASSPHRASE: &str = "plum orbit lantern 42";

type Sync = Pin<Box<dyn Future<Output = Result<Report, SyncError>> + Send>>;

pub(super) struct Device {
    pub(super) number: usize,
    pub(super) clock: Arc<DeviceClock>,
    home: TempDir,
    guard: Option<Guard>,
    peers: Vec<(Server, PeerId)>,
    sync: Option<Sync>,
    /// The sync is dropped once so many answers have come.
    kill_after: Option<u64>,
    /// Names of what it had after its last sync.
    pub(super) held: BTreeSet<String>,
}

/// How a sync of a device goes.
pub(super) enum Going {
    Idle,
    On,
    Killed,
    Over(Box<Result<Report, SyncError>>),
}

fn passphrase() -> SecretText {
    SecretText::new(PASSPHRASE.into())
}

/// In memory, where the machine has such a place.
fn make_home() -> TempDir {
    let memory = Path::new("/dev/shm");
    let mut builder = tempfile::Builder::new();
    let builder = builder.prefix("pocketchart-simulation-");
    match memory.is_dir() {
        true => builder.tempdir_in(memory).unwrap(),
        false => builder.tempdir().unwrap(),
    }
}

/// A vault that was made once; each device starts from a copy.
fn template() -> &'static [(PathBuf, Vec<u8>)] {
    static FILES: OnceLock<Vec<(PathBuf, Vec<u8>)>> = OnceLock::new();
    FILES.get_or_init(|| {
        let home = make_home();
        let made = Guard::create(
            home.path(),
            passphrase(),
            LOWEST_COST,
            Arc::new(SystemClock),
            |_| Ok::<_, crate::access::AccessError>(()),
        );
        made.unwrap().lock().unwrap();
        let mut files = Vec::new();
        collect(home.path(), home.path(), &mut files);
        files
    })
}

fn collect(home: &Path, folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => collect(home, &path, files),
            false => {
                let below = path.strip_prefix(home).unwrap().to_owned();
                files.push((below, std::fs::read(&path).unwrap()));
            }
        }
    }
}

impl Device {
    /// A new one, which syncs with all servers of `world`.
    pub(super) fn new(world: &Shared, number: usize) -> Self {
        let home = make_home();
        for (below, bytes) in template() {
            let path = home.path().join(below);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
            }
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        }
        let clock = Arc::new(DeviceClock::new(world.hold().time.clone()));
        let sites = world.hold().servers.len();
        let mut device = Self {
            number,
            clock,
            home,
            guard: None,
            peers: Vec::new(),
            sync: None,
            kill_after: None,
            held: BTreeSet::new(),
        };
        let guard = device.open();
        for site in 0..sites {
            let server = Server::over(Arc::new(SimWire::new(world, number, site)));
            let peer = guard
                .remember_peer(server.url(), &PeerSettings::default())
                .unwrap();
            device.peers.push((server, peer));
        }
        device
    }

    fn open(&mut self) -> Guard {
        let clock: Arc<dyn Clock> = Arc::clone(&self.clock) as Arc<dyn Clock>;
        let secret = Secret::Passphrase(passphrase());
        let guard = Guard::unlock(self.home.path(), &secret, clock).unwrap();
        self.guard = Some(guard.clone());
        guard
    }

    /// The vault in its owner's hands.
    pub(super) fn guard(&self) -> &Guard {
        self.guard.as_ref().unwrap()
    }

    /// The vault in the hands of one of two people.
    pub(super) fn guard_of(&self, second: bool) -> Guard {
        match second {
            true => self
                .guard()
                .acting_as(Actor::new(Person::new("second"), Role::OWNER)),
            false => self.guard().clone(),
        }
    }

    /// Its server's number in the vault.
    pub(super) fn peer(&self, site: usize) -> PeerId {
        self.peers[site].1
    }

    /// The process ends and starts: what was under way is gone.
    pub(super) fn reopen(&mut self) {
        self.sync = None;
        if let Some(guard) = self.guard.take() {
            guard.lock().unwrap();
        }
        self.open();
    }

    pub(super) fn is_syncing(&self) -> bool {
        self.sync.is_some()
    }

    /// Begins a sync. `kill_after`: it is dropped once so many answers have come to this device in all.
    pub(super) fn start_sync(&mut self, site: usize, kill_after: Option<u64>) {
        let (server, peer) = self.peers[site].clone();
        let guard = self.guard().clone();
        self.kill_after = kill_after;
        self.sync = Some(Box::pin(async move {
            let run = SyncRun {
                guard: &guard,
                server: &server,
                peer,
                patient: None,
                progress: &|_| {},
            };
            run.run().await
        }));
    }

    pub(super) fn kill_sync(&mut self) {
        self.sync = None;
    }

    /// Lets the sync go as far as it can now. `woken`: answers that have come to this device in all.
    pub(super) fn poll(&mut self, woken: u64) -> Going {
        let Some(sync) = &mut self.sync else {
            return Going::Idle;
        };
        match sync.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => {
                self.sync = None;
                Going::Over(Box::new(done))
            }
            Poll::Pending if self.kill_after.is_some_and(|after| woken >= after) => {
                self.sync = None;
                Going::Killed
            }
            Poll::Pending => Going::On,
        }
    }

    /// A stored text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let name = Reference::parse(name).unwrap();
        Some(self.guard().get(&name).unwrap()?.text)
    }
}
