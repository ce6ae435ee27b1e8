//! The open store: one writer, a few readers, and the transactions they run.

use super::codec::Codec;
use super::copy::{self, CopyWay, Target};
use super::database::{self, Ladder};
use super::index::Waiting;
use super::interned::Interned;
use super::touched::{Touched, Written};
use super::view::{self, Sets, View};
use super::{Permit, StoreError};
use crate::crypto::Key;
use rusqlite::{Connection, InterruptHandle, TransactionBehavior};
use std::cell::RefCell;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

const LADDER: Ladder = Ladder {
    application_id: 0x5043_4831,
    steps: &[
        include_str!("migrations/0001.sql"),
        include_str!("migrations/0002.sql"),
        include_str!("migrations/0003.sql"),
        include_str!("migrations/0004.sql"),
        include_str!("migrations/0005.sql"),
        include_str!("migrations/0006.sql"),
    ],
};
const READERS: usize = 3;
/// The pages an import changes again and again.
const WRITER_CACHE_KIB: i64 = 8 * 1024;

/// What a commit waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// A power loss may take it back; for what can be downloaded again.
    Normal,
    /// On the disk before it is acknowledged; for what a person was told is saved.
    Full,
}

/// The database of records.
pub(crate) struct Store {
    readers: Vec<Mutex<Db>>,
    /// Behind the readers, so that it is closed last: only a connection that may write brings the WAL in.
    writer: Mutex<Db>,
    turn: AtomicUsize,
    /// Outside the locks, so that a running read can be stopped.
    interrupts: Vec<InterruptHandle>,
}

/// One connection, and what goes with it.
pub(super) struct Db {
    pub(super) connection: Connection,
    codec: RefCell<Codec>,
    interned: RefCell<Interned>,
    /// Large sets of patients that the transaction at hand asks for.
    sets: Sets,
    /// The same for all connections of one open store, and for no other.
    store: u64,
}

/// Reads inside one transaction: all answers are of one moment.
pub(crate) struct Reader<'c> {
    pub(super) connection: &'c Connection,
    pub(super) codec: &'c RefCell<Codec>,
    /// What may be seen. The functions that `access` calls go by it; those within the store see everything.
    pub(super) view: &'c View,
    pub(super) sets: &'c Sets,
    pub(super) is_writing: bool,
    pub(super) store: u64,
}

/// Writes inside one transaction.
pub(crate) struct Tx<'c> {
    reader: Reader<'c>,
    pub(super) interned: &'c RefCell<Interned>,
    /// Index rows that are written when the transaction commits.
    pub(super) waiting: RefCell<Waiting>,
    /// Types of the records that were changed so far.
    pub(super) touched: RefCell<Touched>,
    /// The revision that everything written here gets.
    pub(super) revision: i64,
}

impl Db {
    fn over(connection: Connection, store: u64) -> Result<Self, StoreError> {
        let codec = RefCell::new(Codec::new()?);
        let sets = view::add_function(&connection)?;
        Ok(Self {
            connection,
            codec,
            interned: RefCell::default(),
            sets,
            store,
        })
    }

    /// A further connection to a store, or the only one to a copy.
    pub(super) fn open(path: &Path, key: &Key, salt: &[u8; 16]) -> Result<Self, StoreError> {
        Self::over(database::open(path, key, salt, LADDER)?, next_store())
    }

    pub(super) fn reader(&self) -> Reader<'_> {
        Reader {
            connection: &self.connection,
            codec: &self.codec,
            view: &View::All,
            sets: &self.sets,
            is_writing: false,
            store: self.store,
        }
    }

    /// Runs `body` in one transaction: all of it, or nothing.
    fn write<R, E: From<StoreError>>(
        &mut self,
        view: &View,
        durability: Durability,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Written<R>, E> {
        view::forget(&self.sets);
        let result = self.try_write(view, durability, body);
        if result.is_err() {
            // Rolled back: the rows that these remember are not there.
            self.interned.borrow_mut().clear();
            self.codec.borrow_mut().forget_dictionaries();
        }
        result
    }

    fn try_write<R, E: From<StoreError>>(
        &mut self,
        view: &View,
        durability: Durability,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Written<R>, E> {
        let level = match durability {
            Durability::Full => "FULL",
            Durability::Normal => "NORMAL",
        };
        let Self {
            connection,
            codec,
            interned,
            sets,
            store,
        } = self;
        connection
            .pragma_update(None, "synchronous", level)
            .map_err(StoreError::from)?;
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(StoreError::from)?;
        let revision = next_revision(&transaction)?;
        let reader = Reader {
            connection: &transaction,
            codec,
            view,
            sets,
            is_writing: true,
            store: *store,
        };
        let mut tx = Tx {
            reader,
            interned,
            waiting: RefCell::default(),
            touched: RefCell::default(),
            revision,
        };
        let answer = body(&mut tx)?;
        tx.flush_index()?;
        let touched = tx.touched.take();
        drop(tx);
        transaction.commit().map_err(StoreError::from)?;
        Ok(Written {
            answer,
            revision,
            touched,
        })
    }
}

impl Store {
    /// Makes the file.
    pub(crate) fn create(path: &Path, key: &Key, salt: &[u8; 16]) -> Result<(), StoreError> {
        database::create(path, key, salt, LADDER)?;
        let mut db = Db::open(path, key, salt)?;
        db.write(&View::All, Durability::Full, |tx| {
            tx.index_is_new()?;
            tx.ensure_first_peer()
        })?;
        Ok(())
    }

    /// Opens the file and brings its schema up to date. Its index may still be of an older program: see
    /// [`Reader::index_is_old`].
    pub(crate) fn open(path: &Path, key: &Key, salt: &[u8; 16]) -> Result<Self, StoreError> {
        let store = next_store();
        let connection = database::open(path, key, salt, LADDER)?;
        // KiB. What does not fit is written, and encrypted, before its transaction ends, and often again.
        connection.pragma_update(None, "cache_size", -WRITER_CACHE_KIB)?;
        let writer = Mutex::new(Db::over(connection, store)?);
        let mut interrupts = Vec::with_capacity(READERS);
        let mut reader = || -> Result<_, StoreError> {
            let connection = database::open_reader(path, key, salt)?;
            interrupts.push(connection.get_interrupt_handle());
            Ok(Mutex::new(Db::over(connection, store)?))
        };
        let readers = (0..READERS).map(|_| reader()).collect::<Result<_, _>>()?;
        Ok(Self {
            writer,
            readers,
            turn: AtomicUsize::new(0),
            interrupts,
        })
    }

    /// Reads.
    pub(crate) fn read<R, E: From<StoreError>>(
        &self,
        permit: &Permit,
        body: impl FnOnce(&Reader<'_>) -> Result<R, E>,
    ) -> Result<R, E> {
        let mut db = self.any_reader();
        view::forget(&db.sets);
        let Db {
            connection,
            codec,
            sets,
            store,
            ..
        } = &mut *db;
        let tx = connection.transaction().map_err(StoreError::from)?;
        let reader = Reader {
            connection: &tx,
            codec,
            view: permit.view(),
            sets,
            is_writing: false,
            store: *store,
        };
        body(&reader)
    }

    /// Writes: all of `body`, or nothing. Answers with the revision that was stored.
    pub(crate) fn write<R, E: From<StoreError>>(
        &self,
        permit: &Permit,
        durability: Durability,
        body: impl FnOnce(&mut Tx<'_>) -> Result<R, E>,
    ) -> Result<Written<R>, E> {
        self.writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .write(permit.view(), durability, body)
    }

    /// Checks every page's MAC and the database's structure. Answers with what is wrong; empty: nothing.
    pub(crate) fn check(&self, _permit: &Permit) -> Result<Vec<String>, StoreError> {
        let db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        database::check(&db.connection)
    }

    /// Copies everything into a new file under another key, and checks the copy. Nobody writes meanwhile.
    pub(crate) fn copy_to(
        &self,
        _permit: &Permit,
        target: Target<'_>,
        way: CopyWay,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), StoreError> {
        let mut db = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Db {
            connection,
            codec,
            sets,
            store,
            ..
        } = &mut *db;
        let tx = connection.transaction()?;
        let reader = Reader {
            connection: &tx,
            codec,
            view: &View::All,
            sets,
            is_writing: false,
            store: *store,
        };
        copy::run(&reader, target, way, progress)
    }

    /// Stops running reads. Writes go on: a capture is never cut off.
    pub(crate) fn interrupt(&self) {
        self.interrupts.iter().for_each(InterruptHandle::interrupt);
    }

    fn any_reader(&self) -> MutexGuard<'_, Db> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.readers.len();
        for offset in 0..self.readers.len() {
            match self.readers[(turn + offset) % self.readers.len()].try_lock() {
                Ok(db) => return db,
                Err(TryLockError::Poisoned(db)) => return db.into_inner(),
                Err(TryLockError::WouldBlock) => {}
            }
        }
        self.readers[turn]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl<'c> Reader<'c> {
    /// Revision of the newest change.
    pub(crate) fn revision(&self) -> Result<i64, StoreError> {
        self.setting("revision")
    }

    pub(super) fn setting(&self, name: &str) -> Result<i64, StoreError> {
        let mut statement = self
            .connection
            .prepare_cached("SELECT value FROM setting WHERE name = ?1")?;
        Ok(statement.query_row([name], |row| row.get(0))?)
    }

    pub(super) fn unpack(
        &self,
        packed: &[u8],
        what: &'static str,
        row: i64,
    ) -> Result<String, StoreError> {
        self.codec.borrow_mut().unpack(packed, what, row)
    }

    pub(super) fn pack(&self, text: &str) -> Result<Vec<u8>, StoreError> {
        self.codec.borrow_mut().pack(text)
    }
}

impl<'c> std::ops::Deref for Tx<'c> {
    type Target = Reader<'c>;

    fn deref(&self) -> &Reader<'c> {
        &self.reader
    }
}

impl<'c> Tx<'c> {
    /// Goes on counting behind a revision that was lost.
    pub(crate) fn go_on_behind(&self, revision: i64) -> Result<(), StoreError> {
        self.set("revision", revision + 1)
    }

    pub(super) fn set(&self, name: &str, value: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO setting (name, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value";
        self.connection
            .prepare_cached(sql)?
            .execute((name, value))?;
        Ok(())
    }
}

fn next_store() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed) + 1
}

fn next_revision(connection: &Connection) -> Result<i64, StoreError> {
    let sql = "UPDATE setting SET value = value + 1 WHERE name = 'revision' RETURNING value";
    Ok(connection
        .prepare_cached(sql)?
        .query_row([], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ladder_climbs_from_every_step() {
        database::assert_every_step_climbs(LADDER);
    }
}
