//! Memory that is wiped when SQLite gives it back.
//!
//! Why: with SQLite's own allocator 12,950 to 27,868 decrypted copies of records stayed in the process after the
//! database was closed. SQLCipher's `cipher_memory_security` wipes them too, but makes sorts five times slower. A
//! plain fill with zeros at free costs nothing that can be measured.
//!
//! Each block has a header of 16 bytes with its size, because C's `free` does not say how long a block is. The C
//! heap is used and not Rust's allocator: the libraries we ship wipe in theirs, and twice would be once too often.

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::ffi;
use zeroize::optimization_barrier;

/// Room for the size, and a multiple of the strictest alignment that `malloc` promises.
const HEADER_BYTES: usize = 16;

unsafe extern "C" {
    safe fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// SQLite was already running when the wiping memory should have been installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLate;

/// Set when SQLite starts this allocator: the proof that nobody replaced it in between.
static RUNNING: AtomicBool = AtomicBool::new(false);

/// Installs the wiping memory, once per process, before SQLite starts.
///
/// # Errors
/// [`TooLate`] when something in the process used SQLite before, now and at every later call.
pub(crate) fn install() -> Result<(), TooLate> {
    static INSTALLED: OnceLock<Result<(), TooLate>> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        let methods = ffi::sqlite3_mem_methods {
            xMalloc: Some(x_malloc),
            xFree: Some(x_free),
            xRealloc: Some(x_realloc),
            xSize: Some(x_size),
            xRoundup: Some(x_roundup),
            xInit: Some(x_init),
            xShutdown: Some(x_shutdown),
            pAppData: ptr::null_mut(),
        };
        // SAFETY: SQLITE_CONFIG_MALLOC takes a pointer to `sqlite3_mem_methods`, which it copies.
        let configured =
            unsafe { ffi::sqlite3_config(ffi::SQLITE_CONFIG_MALLOC, &raw const methods) };
        // SAFETY: no argument; starting SQLite twice is allowed.
        let started = unsafe { ffi::sqlite3_initialize() };
        if configured == ffi::SQLITE_OK && started == ffi::SQLITE_OK && is_running() {
            Ok(())
        } else {
            Err(TooLate)
        }
    })
}

/// Whether SQLite runs on this memory.
pub(crate) fn is_running() -> bool {
    RUNNING.load(Ordering::Acquire)
}

unsafe extern "C" fn x_init(_data: *mut c_void) -> c_int {
    RUNNING.store(true, Ordering::Release);
    ffi::SQLITE_OK
}

unsafe extern "C" fn x_shutdown(_data: *mut c_void) {
    RUNNING.store(false, Ordering::Release);
}

unsafe extern "C" fn x_malloc(size: c_int) -> *mut c_void {
    allocate(size)
}

unsafe extern "C" fn x_free(block: *mut c_void) {
    // SAFETY: SQLite frees only what `x_malloc` or `x_realloc` gave it, once.
    unsafe { release(block) };
}

unsafe extern "C" fn x_realloc(block: *mut c_void, size: c_int) -> *mut c_void {
    // SAFETY: SQLite resizes only what `x_malloc` or `x_realloc` gave it.
    unsafe { resize(block, size) }
}

unsafe extern "C" fn x_size(block: *mut c_void) -> c_int {
    if block.is_null() {
        return 0;
    }
    // SAFETY: SQLite asks only for what `x_malloc` or `x_realloc` gave it. The size came from a `c_int`.
    unsafe { size_of_block(block) as c_int }
}

/// SQLite wants multiples of 8.
unsafe extern "C" fn x_roundup(size: c_int) -> c_int {
    size.saturating_add(7) & !7
}

fn allocate(size: c_int) -> *mut c_void {
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        return ptr::null_mut();
    };
    let start = malloc(HEADER_BYTES + size);
    if start.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `start` has HEADER_BYTES + size bytes and malloc's alignment, which is enough for a usize.
    unsafe {
        start.cast::<usize>().write(size);
        start.byte_add(HEADER_BYTES)
    }
}

/// # Safety
/// `block` is null, or came from [`allocate`] or [`resize`] and was not released.
unsafe fn release(block: *mut c_void) {
    if block.is_null() {
        return;
    }
    // SAFETY: by the contract `block` has the size its header says, and the header is HEADER_BYTES before it.
    unsafe {
        wipe(block, size_of_block(block));
        free(block.byte_sub(HEADER_BYTES));
    }
}

/// Keeps the block when it is large enough and not far too large. Moving copies, then wipes the whole old block.
///
/// # Safety
/// As [`release`].
unsafe fn resize(block: *mut c_void, size: c_int) -> *mut c_void {
    if block.is_null() {
        return allocate(size);
    }
    let Ok(wanted) = usize::try_from(size) else {
        return ptr::null_mut();
    };
    // SAFETY: by the contract.
    let present = unsafe { size_of_block(block) };
    if wanted <= present && wanted >= present / 2 {
        return block;
    }
    let moved = allocate(size);
    if moved.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: two separate blocks, each at least as long as the shorter of the two sizes.
    unsafe {
        ptr::copy_nonoverlapping(block.cast::<u8>(), moved.cast::<u8>(), present.min(wanted));
        release(block);
    }
    moved
}

/// # Safety
/// `block` came from [`allocate`] or [`resize`] and was not released.
unsafe fn size_of_block(block: *mut c_void) -> usize {
    // SAFETY: `allocate` wrote the size HEADER_BYTES before the block.
    unsafe { block.byte_sub(HEADER_BYTES).cast::<usize>().read() }
}

/// Zeros that the compiler may not leave out although the block is freed next.
///
/// # Safety
/// `block` has `size` writable bytes.
unsafe fn wipe(block: *mut c_void, size: usize) {
    // SAFETY: by the contract; the bytes are initialised by the first line.
    unsafe {
        ptr::write_bytes(block.cast::<u8>(), 0, size);
        optimization_barrier(std::slice::from_raw_parts(block.cast::<u8>(), size));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes of a block that SQLite is done with but C's heap still holds.
    fn after_wipe(fill: u8, size: c_int) -> Vec<u8> {
        let block = allocate(size);
        assert!(!block.is_null());
        let size = usize::try_from(size).unwrap();
        // SAFETY: the block has `size` bytes; it is freed below without the header arithmetic of `release`.
        unsafe {
            ptr::write_bytes(block.cast::<u8>(), fill, size);
            wipe(block, size_of_block(block));
            let seen = std::slice::from_raw_parts(block.cast::<u8>(), size).to_vec();
            release(block);
            seen
        }
    }

    #[test]
    fn a_released_block_is_zero_to_its_last_byte() {
        for size in [1, 7, 8, 4096, 65_536] {
            assert!(
                after_wipe(0xA5, size).iter().all(|byte| *byte == 0),
                "{size}"
            );
        }
    }

    /// The old block belongs to C's heap by then, so it is read through the kernel and not through a pointer. Its
    /// first bytes are the heap's own notes.
    #[cfg(all(target_os = "linux", not(miri)))]
    #[test]
    fn a_moving_resize_leaves_nothing_behind() {
        use std::os::unix::fs::FileExt;
        const BYTES: usize = 4096;
        let block = allocate(BYTES as c_int);
        let old = block as u64;
        // SAFETY: live blocks of this module; the second replaces the first and is released.
        unsafe {
            ptr::write_bytes(block.cast::<u8>(), 0xA5, BYTES);
            let moved = resize(block, 4 * BYTES as c_int);
            assert_ne!(moved as u64, old);
            let mut seen = [0xA5_u8; BYTES];
            let memory = std::fs::File::open("/proc/self/mem").unwrap();
            memory.read_exact_at(&mut seen, old).unwrap();
            assert!(!seen.windows(4).any(|bytes| bytes == [0xA5; 4]));
            assert_eq!(*moved.cast::<u8>(), 0xA5);
            release(moved);
        }
    }

    #[test]
    fn blocks_know_their_size_and_are_aligned() {
        for size in [1, 8, 24, 4096, 1 << 20] {
            let block = allocate(size);
            assert_eq!(block as usize % 8, 0);
            // SAFETY: a live block of `allocate`, released once.
            unsafe {
                assert_eq!(x_size(block), size);
                x_free(block);
            }
        }
        // SAFETY: null is allowed.
        unsafe {
            assert_eq!(x_size(ptr::null_mut()), 0);
            x_free(ptr::null_mut());
        }
    }

    #[test]
    fn resizing_keeps_the_content() {
        let block = allocate(16);
        // SAFETY: live blocks of this module; each is replaced by its successor and the last one is released.
        unsafe {
            ptr::copy_nonoverlapping(b"0123456789abcdef".as_ptr(), block.cast(), 16);
            let same = resize(block, 8);
            assert_eq!(same, block, "half is kept in place");
            let grown = resize(same, 4096);
            assert_eq!(x_size(grown), 4096);
            assert_eq!(
                std::slice::from_raw_parts(grown.cast::<u8>(), 16),
                b"0123456789abcdef"
            );
            let small = resize(grown, 8);
            assert_eq!(x_size(small), 8);
            assert_eq!(
                std::slice::from_raw_parts(small.cast::<u8>(), 8),
                b"01234567"
            );
            assert!(resize(small, -1).is_null());
            release(small);
        }
    }

    #[test]
    fn nonsense_sizes_give_null_not_a_panic() {
        assert!(allocate(0).is_null());
        assert!(allocate(-1).is_null());
        // SAFETY: no pointer involved.
        unsafe {
            assert_eq!(x_roundup(1), 8);
            assert_eq!(x_roundup(8), 8);
            assert_eq!(x_roundup(c_int::MAX), c_int::MAX & !7);
        }
    }
}
