//! The threads that all work runs on. They are this library's own: whoever called may go away at any time.

use crate::PocketchartError;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// For what waits: networks, gates, timers.
const WORKERS: usize = 4;
/// For what works: the store has one writer and three readers, so more would only queue up there.
const WORKING: usize = 12;

/// The runtime; there is one, and it stays.
fn runtime() -> Result<&'static Runtime, PocketchartError> {
    static RUNTIME: OnceLock<Option<Runtime>> = OnceLock::new();
    let made = RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(WORKING)
            .thread_name("pocketchart")
            .enable_all()
            .build()
            .ok()
    });
    made.as_ref().ok_or(PocketchartError::Device)
}

/// Runs `work` on a thread for work, to its end, whatever becomes of the caller.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> Result<R, PocketchartError> + Send + 'static,
) -> Result<R, PocketchartError> {
    joined(runtime()?.spawn_blocking(work)).await
}

/// Runs `work`, which waits for others, to its end, whatever becomes of the caller.
pub(crate) async fn detached<R: Send + 'static>(
    work: impl Future<Output = Result<R, PocketchartError>> + Send + 'static,
) -> Result<R, PocketchartError> {
    joined(runtime()?.spawn(work)).await
}

/// As [`detached`], but ends with the caller, at the next point where it waits: for what changes nothing before it is
/// through.
pub(crate) async fn tied<R: Send + 'static>(
    work: impl Future<Output = Result<R, PocketchartError>> + Send + 'static,
) -> Result<R, PocketchartError> {
    struct Tied<R>(JoinHandle<R>);
    impl<R> Drop for Tied<R> {
        fn drop(&mut self) {
            self.0.abort();
        }
    }
    let mut tied = Tied(runtime()?.spawn(work));
    (&mut tied.0)
        .await
        .unwrap_or(Err(PocketchartError::Internal))
}

/// Starts what nobody waits for.
pub(crate) fn start(
    work: impl Future<Output = ()> + Send + 'static,
) -> Result<(), PocketchartError> {
    runtime()?.spawn(work);
    Ok(())
}

/// Runs what is short where it is called; a panic's text stays behind.
pub(crate) fn here<R>(
    work: impl FnOnce() -> Result<R, PocketchartError>,
) -> Result<R, PocketchartError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(PocketchartError::Internal))
}

/// What panicked is a fault of ours; its text stays behind.
async fn joined<R>(handle: JoinHandle<Result<R, PocketchartError>>) -> Result<R, PocketchartError> {
    handle.await.unwrap_or(Err(PocketchartError::Internal))
}

/// Waits, whoever drives the caller: a foreign thread has no timers of its own.
pub(crate) async fn sleep(time: std::time::Duration) -> Result<(), PocketchartError> {
    tied(async move {
        tokio::time::sleep(time).await;
        Ok(())
    })
    .await
}
