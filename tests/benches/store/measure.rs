//! Clocks and gauges. CPU time and not the wall's: what else the computer does must not decide.

use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::{Duration, Instant};

/// User and system time of this process so far.
pub(crate) fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.cast_unsigned(),
        u32::try_from(time.tv_nsec).unwrap_or(0),
    )
}

/// CPU time of `work`.
pub(crate) fn timed<R>(work: impl FnOnce() -> R) -> (Duration, R) {
    let start = cpu();
    let answer = work();
    (cpu().saturating_sub(start), answer)
}

/// The best of three: the least disturbed one.
pub(crate) fn best(mut work: impl FnMut() -> Duration) -> Duration {
    (0..3).map(|_| work()).min().unwrap_or_default()
}

/// Microseconds each.
pub(crate) fn us_each(time: Duration, count: usize) -> f64 {
    time.as_secs_f64() * 1e6 / count as f64
}

/// What many calls took, in microseconds: CPU, and by the wall clock.
#[derive(Default)]
pub(crate) struct Latencies {
    cpu: Vec<f64>,
    wall: Vec<f64>,
}

impl Latencies {
    pub(crate) fn time<R>(&mut self, work: impl FnOnce() -> R) -> R {
        let (start, wall) = (cpu(), Instant::now());
        let answer = work();
        self.wall.push(wall.elapsed().as_secs_f64() * 1e6);
        self.cpu
            .push(cpu().saturating_sub(start).as_secs_f64() * 1e6);
        answer
    }

    /// Median of the CPU times.
    pub(crate) fn p50_cpu(&mut self) -> f64 {
        self.cpu.sort_by(f64::total_cmp);
        self.cpu
            .get(self.cpu.len() / 2)
            .copied()
            .unwrap_or(f64::NAN)
    }

    /// `p50 and p99, CPU; p50 and p99, wall`.
    pub(crate) fn line(&mut self) -> String {
        let at = |all: &mut Vec<f64>, part: usize| {
            all.sort_by(f64::total_cmp);
            all.get((all.len() * part / 100).min(all.len().saturating_sub(1)))
                .copied()
                .unwrap_or(f64::NAN)
        };
        format!(
            "CPU p50 {:7.0} p99 {:7.0}   wall p50 {:7.0} p99 {:7.0} us   ({} calls)",
            at(&mut self.cpu, 50),
            at(&mut self.cpu, 99),
            at(&mut self.wall, 50),
            at(&mut self.wall, 99),
            self.cpu.len()
        )
    }
}

/// Forgets the largest resident size so far; `false`: this system cannot.
pub(crate) fn reset_peak() -> bool {
    fs::write("/proc/self/clear_refs", "5").is_ok()
}

/// Largest resident size, and the present one, in MiB.
pub(crate) fn resident() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let read = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<f64>().ok());
        kib.unwrap_or(f64::NAN) / 1024.0
    };
    (read("VmHWM:"), read("VmRSS:"))
}
