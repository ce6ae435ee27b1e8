//! How often a PIN or a staff passphrase was typed wrong: `tries`, a file beside the header.
//!
//! It stands outside the header's MAC, since no key exists while the vault is locked. So it holds against a person at
//! the screen, and not against whoever can write files here or put an older copy of them back. A try is counted on the
//! disk *before* its secret is looked at: a kill in between costs a try and never gives one.
//!
//! Waits run on the clock that runs through sleep. After a reboot that clock starts anew; then its time, or the step of
//! the wall clock if that is larger, counts as waited: whoever sets the wall clock forward *and* reboots waits less.

use super::VaultError;
use super::files::{self, Layout};
use super::lock_file::LockFile;
use super::slot::{SlotId, SlotKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Tries before the first wait.
const FREE_TRIES: u32 = 5;
/// The try that ends the slot, when it is wrong too.
pub(super) const LAST_TRY: u32 = 10;
/// The wait after the fifth wrong try, the sixth, and so on.
const WAITS_S: [u64; 5] = [30, 60, 300, 900, 3600];
const MAX_BYTES: u64 = 64 * 1024;

/// When a try happens, on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Since boot, sleep included.
    pub since_boot: Duration,
    /// Wall clock, ms since 1970.
    pub wall_ms: i64,
}

/// Wrong tries that the audit trail does not know of yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedTries {
    /// At which slot.
    pub slot: SlotId,
    /// Whose it is; empty: the owner's.
    pub person: String,
    /// How many.
    pub count: u32,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Count {
    /// In a row, the one under way included.
    pub(super) failed: u32,
    /// Of all, how many the audit trail does not know of.
    pub(super) unnoted: u32,
    /// When the last one was.
    boot_ms: u64,
    wall_ms: i64,
}

impl Count {
    fn waited(&self, at: Moment) -> Duration {
        let now = ms(at.since_boot);
        Duration::from_millis(match now.checked_sub(self.boot_ms) {
            Some(elapsed) => elapsed,
            None => now.max(u64::try_from(at.wall_ms.saturating_sub(self.wall_ms)).unwrap_or(0)),
        })
    }

    /// How long until the next try.
    fn wait(&self, at: Moment) -> Option<Duration> {
        let step = usize::try_from(self.failed.checked_sub(FREE_TRIES)?).unwrap_or(usize::MAX);
        let whole = Duration::from_secs(WAITS_S[step.min(WAITS_S.len() - 1)]);
        whole
            .checked_sub(self.waited(at))
            .filter(|left| !left.is_zero())
    }
}

type Table = BTreeMap<SlotId, Count>;

/// The file, and what keeps two from writing it at once.
#[derive(Debug)]
pub(super) struct Tries {
    path: PathBuf,
    turn: Turn,
}

#[derive(Debug)]
enum Turn {
    /// The vault is closed: its lock file is taken for the moment.
    LockFile(PathBuf),
    /// It is open in this process, which holds the lock file.
    Here(Mutex<()>),
}

impl Tries {
    /// Of a vault that is closed.
    pub(super) fn of_closed(layout: &Layout) -> Self {
        Self {
            path: layout.tries(),
            turn: Turn::LockFile(layout.lock()),
        }
    }

    /// Of one that this process has open.
    pub(super) fn of_open(layout: &Layout) -> Self {
        Self {
            path: layout.tries(),
            turn: Turn::Here(Mutex::new(())),
        }
    }

    /// Counts a try that is about to be made.
    pub(super) fn begin(&self, slot: SlotId, kind: SlotKind, at: Moment) -> Result<(), VaultError> {
        self.update(|table| {
            let count = table.entry(slot).or_default();
            if count.failed >= LAST_TRY {
                return Err(VaultError::SlotEnded { kind });
            }
            if let Some(wait) = count.wait(at) {
                return Err(VaultError::Wait { wait });
            }
            *count = Count {
                failed: count.failed + 1,
                unnoted: count.unnoted.saturating_add(1),
                boot_ms: ms(at.since_boot),
                wall_ms: at.wall_ms,
            };
            Ok(())
        })
    }

    /// It was no guess at these slots after all: the gate gave no answer, or another slot opened.
    pub(super) fn undo(&self, slots: &[SlotId]) -> Result<(), VaultError> {
        if slots.is_empty() {
            return Ok(());
        }
        self.update(|table| {
            for slot in slots {
                if let Some(count) = table.get_mut(slot) {
                    count.failed = count.failed.saturating_sub(1);
                    count.unnoted = count.unnoted.saturating_sub(1);
                }
            }
            Ok(())
        })
    }

    /// The try that was counted opened the slot.
    pub(super) fn succeeded(&self, slot: SlotId) -> Result<(), VaultError> {
        self.update(|table| {
            if let Some(count) = table.get_mut(&slot) {
                count.failed = 0;
                count.unnoted = count.unnoted.saturating_sub(1);
            }
            Ok(())
        })
    }

    /// The audit trail knows of all tries of these slots; of others nobody asks any more.
    pub(super) fn noted(&self, present: &[SlotId]) -> Result<(), VaultError> {
        self.update(|table| {
            table.retain(|slot, _| present.contains(slot));
            table.values_mut().for_each(|count| count.unnoted = 0);
            Ok(())
        })
    }

    pub(super) fn get(&self, slot: SlotId) -> Result<Count, VaultError> {
        Ok(self.read()?.get(&slot).copied().unwrap_or_default())
    }

    fn update(
        &self,
        change: impl FnOnce(&mut Table) -> Result<(), VaultError>,
    ) -> Result<(), VaultError> {
        let _turn = match &self.turn {
            Turn::LockFile(path) => (Some(LockFile::take(path)?), None),
            Turn::Here(mutex) => (
                None,
                Some(mutex.lock().unwrap_or_else(PoisonError::into_inner)),
            ),
        };
        let before = self.read()?;
        let mut table = before.clone();
        change(&mut table)?;
        table.retain(|_, count| count.failed > 0 || count.unnoted > 0);
        if table == before {
            return Ok(());
        }
        let bytes = serde_json::to_vec(&table)
            .map_err(|_| VaultError::HeaderDamaged { what: "the tries" })?;
        files::replace(&self.path, &bytes)
    }

    /// A file that cannot be read counts as none: it holds no one off who could write it, and must lock out no one
    /// else.
    fn read(&self) -> Result<Table, VaultError> {
        let bytes = files::read_at_most(&self.path, MAX_BYTES)?;
        Ok(bytes
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default())
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLOT: SlotId = SlotId([7; 16]);

    fn at(boot_s: u64, wall_s: i64) -> Moment {
        Moment {
            since_boot: Duration::from_secs(boot_s),
            wall_ms: wall_s * 1000,
        }
    }

    fn tries(home: &std::path::Path) -> Tries {
        std::fs::create_dir_all(home.join("vault")).unwrap();
        Tries::of_open(&Layout::of(home))
    }

    fn begin(tries: &Tries, at: Moment) -> Result<(), VaultError> {
        tries.begin(SLOT, SlotKind::Pin, at)
    }

    fn wait_of(result: Result<(), VaultError>) -> u64 {
        match result {
            Err(VaultError::Wait { wait }) => wait.as_secs(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn five_are_free_then_each_waits_longer_and_the_tenth_ends_it() {
        let home = tempfile::tempdir().unwrap();
        let tries = tries(home.path());
        for _ in 0..5 {
            begin(&tries, at(100, 0)).unwrap();
        }
        let mut now = 100;
        for wait in [30, 60, 300, 900, 3600] {
            assert_eq!(wait_of(begin(&tries, at(now, 0))), wait);
            assert_eq!(wait_of(begin(&tries, at(now + wait - 1, 0))), 1);
            now += wait;
            begin(&tries, at(now, 0)).unwrap();
        }
        assert_eq!(tries.get(SLOT).unwrap().failed, LAST_TRY);
        let ended = begin(&tries, at(now + 1_000_000, 0));
        assert!(matches!(
            ended,
            Err(VaultError::SlotEnded {
                kind: SlotKind::Pin
            })
        ));
    }

    #[test]
    fn a_reboot_does_not_end_a_wait_at_once() {
        let home = tempfile::tempdir().unwrap();
        let tries = tries(home.path());
        for _ in 0..5 {
            begin(&tries, at(50_000, 1_000)).unwrap();
        }
        // Booted anew: its own time counts, or the wall's step forward, and a wall set back counts nothing.
        assert_eq!(wait_of(begin(&tries, at(5, 1_000))), 25);
        assert_eq!(wait_of(begin(&tries, at(5, -900_000))), 25);
        assert_eq!(wait_of(begin(&tries, at(5, 1_020))), 10);
        begin(&tries, at(5, 1_030)).unwrap();
    }

    #[test]
    fn what_opened_or_got_no_answer_counts_nothing() {
        let home = tempfile::tempdir().unwrap();
        let tries = tries(home.path());
        for _ in 0..100 {
            begin(&tries, at(1, 1)).unwrap();
            tries.undo(&[SLOT]).unwrap();
        }
        assert_eq!(tries.get(SLOT).unwrap().unnoted, 0);
        for _ in 0..3 {
            begin(&tries, at(1, 1)).unwrap();
        }
        tries.succeeded(SLOT).unwrap();
        let count = tries.get(SLOT).unwrap();
        assert_eq!(
            (count.failed, count.unnoted),
            (0, 2),
            "the audit still hears of them"
        );
        tries.noted(&[SLOT]).unwrap();
        assert_eq!(tries.get(SLOT).unwrap(), Count::default());
        // Noted, yet still counted in a row.
        begin(&tries, at(1, 1)).unwrap();
        tries.noted(&[SLOT]).unwrap();
        assert_eq!(tries.get(SLOT).unwrap().failed, 1);
        tries.noted(&[]).unwrap();
        assert_eq!(tries.get(SLOT).unwrap().failed, 0);
    }

    #[test]
    fn a_damaged_file_locks_nobody_out() {
        let home = tempfile::tempdir().unwrap();
        let tries = tries(home.path());
        std::fs::write(home.path().join("vault/tries"), b"{\"07").unwrap();
        begin(&tries, at(1, 1)).unwrap();
        assert_eq!(tries.get(SLOT).unwrap().failed, 1);
    }
}
