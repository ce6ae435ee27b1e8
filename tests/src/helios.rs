//! A real FHIR server that nobody here wrote: Helios (../shared/servers), each time over a new database.
//!
//! The program is unpacked once, into `~/.cache/pocketchart`, under the SHA-256 of what it was unpacked from. It needs
//! OpenSSL 3 where it runs. It speaks plain HTTP, so that what is tested with it is not TLS.

use crate::{Device, fail, required, shared};
use pocketchart_core::fhir::bundle::Writer;
use pocketchart_core::net::Server;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// It is up within a second on a quiet computer.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Another program can take the free port before Helios does.
const TRIES: usize = 3;
/// Entries of the transactions that fill it; its requests end after 30 s.
const TOGETHER: usize = 500;
/// KiB the unpacking may use.
const UNPACKING_KIB: u32 = 256 * 1024;

/// One running server. It is killed when this is dropped.
pub struct Helios {
    process: Child,
    url: String,
    // Last: the process goes before its files.
    folder: tempfile::TempDir,
}

impl Helios {
    /// Starts one, empty. `None`, and a line on stderr that names the test: there is no program beside the repository.
    pub async fn start(test: &str) -> Option<Self> {
        let packed = shared("servers/hfs.xz", test)?;
        let parameters = shared("data/r4/search-parameters.json", test)?;
        let program = required(unpacked(&packed));
        for _ in 1..TRIES {
            if let Ok(helios) = Self::run(&program, &parameters).await {
                return Some(helios);
            }
        }
        match Self::run(&program, &parameters).await {
            Ok(helios) => Some(helios),
            Err(log) => fail(&io::Error::other(format!(
                "Helios did not start (it needs OpenSSL 3: libssl3): {log}"
            ))),
        }
    }

    /// Runs it, or answers with what it said.
    async fn run(program: &Path, parameters: &Path) -> Result<Self, String> {
        let folder = required(tempfile::tempdir());
        // Without them it ignores filters.
        let known = folder.path().join("search-parameters-r4.json");
        required(fs::copy(parameters, known));
        let log_file = folder.path().join("log");
        let log = required(File::create(&log_file));
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let mut command = Command::new(program);
        command
            .args(["--port", &port.to_string(), "--log-level", "warn"])
            .env("HFS_BASE_URL", &url)
            .env("HFS_DATA_DIR", folder.path())
            .env("HFS_DATABASE_URL", folder.path().join("file.db"))
            .env("HFS_SEED_CONFORMANCE", "false")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(required(log.try_clone()))
            .stderr(log);
        let process = required(command.spawn());
        let mut helios = Self {
            process,
            url,
            folder,
        };
        let server = helios.server();
        let until = Instant::now() + READY_WITHIN;
        while Instant::now() < until {
            // Whoever answers on that port is Helios only while its process lives.
            let lives = required(helios.process.try_wait()).is_none();
            match server.get("metadata").await {
                Ok(answer) if lives && answer.status == 200 => return Ok(helios),
                _ if lives => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => break,
            }
        }
        Err(fs::read_to_string(log_file).unwrap_or_default())
    }

    /// Its base URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client.
    pub fn server(&self) -> Server {
        required(Server::new(&self.url, None, None))
    }

    /// A new vault that syncs with it.
    pub fn device(&self) -> Device {
        Device::of(self.server())
    }

    /// Stores records under their own ids, see [`fill`].
    pub async fn fill(&self, records: &[Value]) {
        fill(&self.server(), records).await;
    }

    /// What it holds in memory now, in KiB.
    pub fn memory_kib(&self) -> u64 {
        memory_kib(&self.process.id().to_string(), "VmRSS:")
    }

    /// Number of its process.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// The folder of its database and log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for Helios {
    fn drop(&mut self) {
        // It has ended by itself, or it does now.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Stores records under their own ids, in transactions.
pub async fn fill(server: &Server, records: &[Value]) {
    let text = |value: &Value, member: &str| {
        let text = value.get(member).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    for part in records.chunks(TOGETHER) {
        let mut bundle = Writer::new("transaction", &[]);
        for record in part {
            let name = format!("{}/{}", text(record, "resourceType"), text(record, "id"));
            bundle.put(&name, &record.to_string(), None, false);
        }
        let answer = required(server.transaction(bundle.finish()).await);
        assert_eq!(answer.status, 200, "filling: {:.500}", answer.text);
    }
}

/// A line of /proc/PROCESS/status, `VmRSS:` (now) or `VmHWM:` (the most), in KiB; 0 where there is none.
pub fn memory_kib(process: &str, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|text| text.strip_prefix(line));
    let number = found.and_then(|rest| rest.trim().strip_suffix("kB"));
    number
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(0)
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let listener = required(TcpListener::bind("127.0.0.1:0"));
    required(listener.local_addr()).port()
}

/// The program, unpacked into the cache if it is not there. A run that is cut off, or another beside it, leaves no half.
fn unpacked(packed: &Path) -> io::Result<PathBuf> {
    let digest = hex::encode(Sha256::digest(fs::read(packed)?));
    let cache = cache().join("helios");
    let program = cache.join(format!("hfs-{digest}"));
    if program.is_file() {
        return Ok(program);
    }
    fs::create_dir_all(&cache)?;
    let mut whole = tempfile::NamedTempFile::new_in(&cache)?;
    let input = BufReader::new(File::open(packed)?);
    io::copy(
        &mut lzma_rust2::XzReader::new_mem_limit(input, true, UNPACKING_KIB),
        &mut whole,
    )?;
    // Closed for writing before it gets its name: a program that somebody still writes cannot be run.
    let whole = whole.into_temp_path();
    fs::set_permissions(&whole, fs::Permissions::from_mode(0o755))?;
    whole.persist(&program)?;
    Ok(program)
}

/// As in .ci/run.
fn cache() -> PathBuf {
    let named = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || std::env::home_dir().unwrap_or_else(std::env::temp_dir);
    named
        .unwrap_or_else(|| home().join(".cache"))
        .join("pocketchart")
}
