//! What the tests of the facade share: a vault in a folder that goes away, a gate that does as it is told, a hub.
//!
//! Futures are driven by a thread that knows no runtime, as a foreign one does.

use pocketchart::{
    CancelToken, GateError, GatePolicy, KeyGate, PocketchartError, Session, UnlockWith, Vault,
};
use pocketchart_core::crypto::passphrase_hash::LOWEST_COST;
use pocketchart_core::session::IdleTimes;
use pocketchart_core::vault::{self, Gate};
use pocketchart_tests::TestHub;
use pocketchart_tests::fake_gate::{Behaviour, FakeGate};
use pocketchart_tests::hand_clock::HandClock;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

pub const PASSPHRASE: &str = "plum orbit lantern 42";
pub const NURSE_WORDS: &str = "ferry thimble orchard 19";
pub const PIN: &str = "739148";

/// Drives a future on this thread, which has no timers and no network.
pub fn wait<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let waker = waker();
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(answer) => return answer,
            Poll::Pending => thread::park(),
        }
    }
}

/// As [`wait`], for so long; `None`: it is still under way.
pub fn wait_for<F: Future>(future: F, time: Duration) -> Option<F::Output> {
    let (mut future, until, waker) = (pin!(future), Instant::now() + time, waker());
    loop {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        let left = until.checked_duration_since(Instant::now())?;
        thread::park_timeout(left);
    }
}

/// Polls a future so often and drops it, whatever it is at.
pub fn drop_after<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let (mut future, waker) = (pin!(future), waker());
    for _ in 0..polls {
        if let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(answer);
        }
        thread::park_timeout(Duration::from_millis(20));
    }
    None
}

fn waker() -> Waker {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    Waker::from(Arc::new(Unpark(thread::current())))
}

/// Waits until something is so.
pub fn until(what: &str, mut is: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !is() {
        assert!(Instant::now() < end, "not within a minute: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Runs what needs a runtime of its own: hubs.
pub fn on_hub<F: Future>(future: F) -> F::Output {
    static RUNTIME: LazyLock<tokio::runtime::Runtime> =
        LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());
    RUNTIME.block_on(future)
}

pub fn hub() -> TestHub {
    on_hub(TestHub::start())
}

/// A folder for a vault, a gate and a clock.
pub struct Place {
    pub home: tempfile::TempDir,
    pub gate: Arc<FakeGate>,
    pub clock: Arc<HandClock>,
}

impl Place {
    pub fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
            gate: Arc::default(),
            clock: Arc::default(),
        }
    }

    pub fn vault(&self) -> Arc<Vault> {
        self.vault_with(Some(Arc::new(Foreign(Arc::clone(&self.gate)))))
    }

    pub fn vault_with(&self, gate: Option<Arc<dyn KeyGate>>) -> Arc<Vault> {
        let clock = Arc::clone(&self.clock);
        let home = self.home.path().to_owned();
        Vault::under(home, gate, clock, IdleTimes::USUAL, LOWEST_COST)
    }

    /// Makes the vault; answers with its recovery code too.
    pub fn created(&self) -> (Arc<Session>, String) {
        let new = wait(self.vault().create(PASSPHRASE.into())).unwrap();
        let code = new.recovery_code().unwrap();
        (wait(new.confirm(code.clone())).unwrap(), code)
    }

    pub fn unlock(&self, with: UnlockWith) -> Result<Arc<Session>, PocketchartError> {
        wait(self.vault().unlock(with))
    }

    pub fn behave(&self, behaviour: Behaviour) {
        self.gate.behave(behaviour);
    }
}

pub fn passphrase(text: &str) -> UnlockWith {
    UnlockWith::Passphrase {
        person: None,
        text: text.into(),
    }
}

pub fn by_gate() -> UnlockWith {
    UnlockWith::Gate {
        slot: None,
        reason: "Open your records".into(),
    }
}

/// The error of what must fail. Sessions and the like print nothing.
pub fn code<T>(result: Result<T, PocketchartError>) -> &'static str {
    match result {
        Ok(_) => panic!("it did not fail"),
        Err(error) => error.code(),
    }
}

pub fn token() -> Arc<CancelToken> {
    CancelToken::new().unwrap()
}

/// Has the session know the hub, with the admin's token.
pub fn meets(session: &Session, hub: &TestHub) -> String {
    let url = hub.hub.ready().url.clone();
    let (token, ca) = (Some(hub.token.trim().to_owned()), Some(hub.ca_pem.clone()));
    wait(session.add_server(url, token, ca, None)).unwrap().url
}

pub fn sync(session: &Session) -> Result<pocketchart::SyncReport, PocketchartError> {
    wait(session.sync(None, token(), None))
}

/// The fake gate as a foreign one.
pub struct Foreign(pub Arc<FakeGate>);

#[async_trait::async_trait]
impl KeyGate for Foreign {
    async fn enroll(
        &self,
        alias: String,
        policy: GatePolicy,
        secret: Vec<u8>,
    ) -> Result<Vec<u8>, GateError> {
        let policy = match policy {
            GatePolicy::Person => vault::GatePolicy::Person,
            GatePolicy::Evaluate => vault::GatePolicy::Evaluate,
        };
        let sealed = self.0.enroll(&alias, policy, &secret).await;
        sealed.map_err(foreign)
    }

    async fn release(
        &self,
        alias: String,
        sealed: Vec<u8>,
        reason: String,
    ) -> Result<Vec<u8>, GateError> {
        let secret = self.0.release(&alias, &sealed, &reason).await;
        secret.map(|secret| secret.to_vec()).map_err(foreign)
    }

    async fn evaluate(&self, alias: String, input: Vec<u8>) -> Result<Vec<u8>, GateError> {
        let output = self.0.evaluate(&alias, &input).await;
        output.map(|output| output.to_vec()).map_err(foreign)
    }

    async fn destroy(&self, alias: String) -> Result<(), GateError> {
        self.0.destroy(&alias).await.map_err(foreign)
    }
}

fn foreign(error: vault::GateError) -> GateError {
    match error {
        vault::GateError::Refused => GateError::Refused,
        vault::GateError::Cancelled => GateError::Cancelled,
        vault::GateError::LockedOut => GateError::LockedOut,
        vault::GateError::Lost => GateError::Lost,
        vault::GateError::TryAgain => GateError::TryAgain,
        vault::GateError::Unavailable => GateError::Unavailable,
    }
}
