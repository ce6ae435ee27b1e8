//! A first load from a server, measured against the fastest plain download of the same records by the same client.

use crate::helios::memory_kib;
use crate::{Device, required};
use pocketchart_core::net::{Reply, Request, Server};
use rustix::time::{ClockId, clock_gettime};
use std::time::{Duration, Instant};

/// Page sizes that are tried for the plain download.
const PAGES: [usize; 4] = [100, 200, 500, 1000];

/// A plain download: bytes are counted and thrown away.
#[derive(Debug, Clone, Copy)]
pub struct Plain {
    /// Records on a page.
    pub page: usize,
    /// How long it took.
    pub wall: Duration,
    /// Bytes of all pages, unpacked.
    pub bytes: usize,
}

/// A first load into a new vault.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    /// Records that came.
    pub records: u64,
    /// How long the sync took.
    pub wall: Duration,
    /// CPU time of this process, all threads.
    pub cpu: Duration,
    /// Most memory since the vault was opened, KiB; the server must be another process.
    pub peak_kib: u64,
    /// Memory just before.
    pub before_kib: u64,
}

impl Loaded {
    /// CPU time for one record, in microseconds.
    #[allow(clippy::cast_precision_loss)] // For people to read.
    pub fn us_a_record(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.records.max(1) as f64
    }
}

/// The fastest of the page sizes.
pub async fn fastest_plain(server: &Server, types: &[&str]) -> Plain {
    let mut fastest: Option<Plain> = None;
    for page in PAGES {
        let plain = plain(server, types, page).await;
        if fastest.is_none_or(|before| plain.wall < before.wall) {
            fastest = Some(plain);
        }
    }
    fastest.unwrap_or(Plain {
        page: 0,
        wall: Duration::ZERO,
        bytes: 0,
    })
}

/// Downloads all records of these types page after page.
pub async fn plain(server: &Server, types: &[&str], page: usize) -> Plain {
    let begun = Instant::now();
    let mut bytes = 0;
    for kind in types {
        let first = format!("{kind}?_sort=_lastUpdated,_id&_count={page}");
        let mut request = Some(Request::get(first));
        while let Some(asked) = request.take() {
            let reply = required(server.send(asked).await);
            assert_eq!(reply.status, 200, "{kind}");
            let (length, next) = drained(reply).await;
            bytes += length;
            request = next.map(Request::follow);
        }
    }
    Plain {
        page,
        wall: begun.elapsed(),
        bytes,
    }
}

/// Length of a body, and the link to the next page, which is looked for in its first and last bytes alone.
async fn drained(mut reply: Reply) -> (usize, Option<String>) {
    const NEAR: usize = 4096;
    let (mut length, mut front, mut back) = (0, Vec::new(), Vec::new());
    while let Some(piece) = required(reply.body.chunk().await) {
        length += piece.len();
        if front.len() < NEAR {
            front.extend_from_slice(&piece[..piece.len().min(NEAR)]);
        }
        back = piece[piece.len().saturating_sub(NEAR)..].to_vec();
    }
    (length, next_in(&front).or_else(|| next_in(&back)))
}

fn next_in(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let (_, behind) = text.split_once("\"relation\":\"next\",\"url\":\"")?;
    let (url, _) = behind.split_once('"')?;
    Some(url.to_owned())
}

/// Loads everything into a new vault.
pub async fn first_load(server: &Server) -> Loaded {
    let device = Device::of(server.clone());
    // From here on the kernel counts anew.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
    let before_kib = memory_kib("self", "VmRSS:");
    let (begun, used) = (Instant::now(), cpu());
    let report = device.sync().await;
    Loaded {
        records: report.received,
        wall: begun.elapsed(),
        cpu: cpu().saturating_sub(used),
        peak_kib: memory_kib("self", "VmHWM:"),
        before_kib,
    }
}

fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    let nanos = u32::try_from(now.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), nanos)
}
