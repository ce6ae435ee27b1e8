//! When something used SQLite before us, its memory cannot be replaced any more: refuse, do not go on unwiped.
#![allow(clippy::unwrap_used)]

use pocketchart_sqlcipher::{Mode, OpenError, open};

#[test]
fn memory_that_is_not_ours_is_refused() {
    let first = rusqlite::Connection::open_in_memory().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.db");
    for _ in 0..2 {
        let error = open(&path, &[1; 32], &[2; 16], Mode::Create).unwrap_err();
        assert!(matches!(error, OpenError::MemoryNotWiped), "{error:?}");
        assert!(!path.exists());
    }
    drop(first);
}
