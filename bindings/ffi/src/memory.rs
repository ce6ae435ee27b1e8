//! The allocator: what is freed is wiped, since every secret and every record that crosses lies on this heap for a while.
//!
//! With the feature `diagnostics` it counts too, for the lanes that look for what was forgotten. Not in what is shipped.

use std::alloc::System;
use zeroizing_alloc::ZeroAlloc;

#[cfg(not(feature = "diagnostics"))]
#[global_allocator]
static WIPING: ZeroAlloc<System> = ZeroAlloc(System);

#[cfg(feature = "diagnostics")]
#[global_allocator]
static WIPING: ZeroAlloc<counted::Counted> = ZeroAlloc(counted::Counted(System));

/// One for each object that the other side holds.
pub(crate) struct Live(());

impl Live {
    pub(crate) fn new() -> Self {
        #[cfg(feature = "diagnostics")]
        counted::OBJECTS.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        Self(())
    }
}

#[cfg(feature = "diagnostics")]
impl Drop for Live {
    fn drop(&mut self) {
        counted::OBJECTS.fetch_sub(1, std::sync::atomic::Ordering::Relaxed);
    }
}

#[cfg(feature = "diagnostics")]
pub use counted::{bytes_in_use, live_objects};

#[cfg(feature = "diagnostics")]
mod counted {
    use crate::PocketchartError;
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::sync::atomic::{AtomicI64, Ordering};

    pub(super) static OBJECTS: AtomicI64 = AtomicI64::new(0);
    static BYTES: AtomicI64 = AtomicI64::new(0);

    /// The system's allocator, and how much of it is in use.
    pub(super) struct Counted(pub(super) System);

    fn signed(bytes: usize) -> i64 {
        i64::try_from(bytes).unwrap_or(i64::MAX)
    }

    // SAFETY: every call goes on to the system's allocator as it came; only a number is kept beside it.
    #[allow(unsafe_code)]
    unsafe impl GlobalAlloc for Counted {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            // SAFETY: the caller keeps `GlobalAlloc`'s contract.
            let block = unsafe { self.0.alloc(layout) };
            if !block.is_null() {
                BYTES.fetch_add(signed(layout.size()), Ordering::Relaxed);
            }
            block
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            // SAFETY: as above.
            let block = unsafe { self.0.alloc_zeroed(layout) };
            if !block.is_null() {
                BYTES.fetch_add(signed(layout.size()), Ordering::Relaxed);
            }
            block
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            BYTES.fetch_sub(signed(layout.size()), Ordering::Relaxed);
            // SAFETY: as above.
            unsafe { self.0.dealloc(block, layout) }
        }
    }

    /// Objects of this library that the other side holds, or has not given back yet.
    ///
    /// # Errors
    /// None; every export can fail.
    #[uniffi::export]
    pub fn live_objects() -> Result<i64, PocketchartError> {
        Ok(OBJECTS.load(Ordering::Relaxed))
    }

    /// Bytes of this library's heap that are in use now.
    ///
    /// # Errors
    /// None; every export can fail.
    #[uniffi::export]
    pub fn bytes_in_use() -> Result<i64, PocketchartError> {
        Ok(BYTES.load(Ordering::Relaxed))
    }
}
