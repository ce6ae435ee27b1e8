//! A network that cuts: the nth request never arrives, or its answer never comes; then whoever waits is killed. It can
//! also make a hub look like a server whose transactions are none.

use pocketchart_core::fhir::bundle::{Answered, Bundle, Writer, etag_version};
use pocketchart_core::fhir::marks;
use pocketchart_core::net::{
    Answer, Body, Doing, Method, NetError, Reply, Request, Server, Target, Wire,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// What happens to the request that is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It never arrives, and nothing comes.
    Before,
    /// It arrives, and nothing comes.
    Behind,
    /// It arrives, and the line breaks.
    Answerless,
    /// Half of its transaction arrives (where transactions are none), and nothing comes.
    Half,
}

/// A server behind such a network.
pub struct Meddling {
    inner: Server,
    cut: Option<(usize, Cut)>,
    asked: AtomicUsize,
    /// Told when a request is cut, so that whoever waits can be killed.
    pub is_cut: Arc<Notify>,
    splits: bool,
}

impl Meddling {
    /// Cuts the nth request, counted from 0. `splits`: transactions are none.
    pub fn new(inner: Server, cut: Option<(usize, Cut)>, splits: bool) -> Arc<Self> {
        Arc::new(Self {
            inner,
            cut,
            asked: AtomicUsize::new(0),
            is_cut: Arc::new(Notify::new()),
            splits,
        })
    }

    /// A client of it.
    pub fn server(self: &Arc<Self>) -> Server {
        Server::over(Arc::clone(self) as Arc<dyn Wire>)
    }

    /// How many requests were made.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    async fn pass(&self, request: Request, half: bool) -> Result<Answer, NetError> {
        let is_transaction = request.method == Method::Post && request.target == Target::Base;
        if self.splits && is_transaction {
            return self
                .split(request.body.as_deref().unwrap_or_default(), half)
                .await;
        }
        let is_metadata = request.target == Target::Below("metadata".into());
        let mut answer = self.inner.ask(request).await?;
        if self.splits && is_metadata {
            answer.text = answer.text.replace(marks::CHANGE_RECORD, "urn:nothing");
        }
        Ok(answer)
    }

    /// Entry by entry, whatever becomes of the others.
    async fn split(&self, body: &str, half: bool) -> Result<Answer, NetError> {
        let bundle = Bundle::parse(body).ok_or(NetError::NotText)?;
        let mut out = Writer::new("transaction-response", &[]);
        for (at, entry) in bundle.entry.iter().enumerate() {
            let (Some(asked), Some(resource)) = (&entry.request, entry.resource) else {
                return Err(NetError::NotText);
            };
            if half && at > 0 {
                break;
            }
            let version = asked.if_match.as_deref().map(etag_version);
            let answer = self.inner.put(&asked.url, resource.get(), version).await?;
            let status = answer.status.to_string();
            out.answered(&Answered {
                status: &status,
                version: answer.version.as_deref(),
                ..Answered::default()
            });
        }
        Ok(Answer {
            status: 200,
            version: None,
            modified: None,
            date: None,
            retry_after: None,
            location: None,
            text: out.finish(),
        })
    }
}

impl Wire for Meddling {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let cut = self.cut.filter(|(at, _)| *at == nth).map(|(_, cut)| cut);
        Box::pin(async move {
            let answer = match cut {
                Some(Cut::Before) => None,
                cut => Some(self.pass(request, cut == Some(Cut::Half)).await?),
            };
            match (cut, answer) {
                (None, Some(answer)) => Ok(reply(answer)),
                (Some(Cut::Answerless), _) => Err(NetError::TimedOut),
                _ => {
                    self.is_cut.notify_one();
                    std::future::pending().await
                }
            }
        })
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        Box::pin(self.inner.pause(time))
    }
}

fn reply(answer: Answer) -> Reply {
    Reply {
        status: answer.status,
        version: answer.version,
        modified: answer.modified,
        date: answer.date,
        retry_after: answer.retry_after,
        location: answer.location,
        body: Box::new(Whole(Some(answer.text.into_bytes()))),
    }
}

struct Whole(Option<Vec<u8>>);

impl Body for Whole {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        Box::pin(async { Ok(self.0.take()) })
    }
}
