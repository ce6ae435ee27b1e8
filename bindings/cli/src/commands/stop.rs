//! Ctrl-C and its like, for what runs until it is told to stop.

use tokio::runtime::Runtime;
use tokio::sync::watch;

/// Ctrl-C, or the signal that service managers send.
pub(super) async fn told_to_stop() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}

/// Remembers that it was told to stop, also while nobody was listening.
#[derive(Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Listens from now on.
    pub(super) fn listen(runtime: &Runtime) -> Self {
        let (tell, told) = watch::channel(false);
        runtime.spawn(async move {
            told_to_stop().await;
            let _ = tell.send(true);
        });
        Self(told)
    }

    /// What `work` comes to, unless it is told to stop before that; then the work is dropped where it is.
    pub(super) async fn or<R>(&self, work: impl Future<Output = R>) -> Option<R> {
        let mut told = self.0.clone();
        tokio::select! {
            done = work => Some(done),
            _ = told.wait_for(|stop| *stop) => None,
        }
    }
}
