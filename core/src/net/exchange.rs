//! One request and its answer, in a task of its own: it begins at once, and the answer comes in while its reader stores
//! what came before. A buffer stands between the two and no more than that is ever held, however long the answer is.

use super::NetError;
use super::ahead::{Scout, Slot};
use super::wire::{Body, Doing};
use reqwest::Response;
use reqwest::header::HeaderMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Bytes, unpacked, that wait for the reader at most: some pages.
const BUFFER: usize = 6 * 1024 * 1024;
/// Small pieces are put together up to this length.
const BLOCK: usize = 64 * 1024;

/// An exchange that is under way. Dropping it, or the body it turns into, ends it.
pub(super) struct Exchange {
    head: oneshot::Receiver<Result<Head, NetError>>,
    body: PipedBody,
}

/// What comes before a body.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
}

impl Exchange {
    /// Begins. Inside a runtime only. `scout` is shown the body first.
    pub(super) fn start(
        request: impl Future<Output = Result<Response, NetError>> + Send + 'static,
        mut scout: Option<Scout>,
    ) -> Self {
        let (tell, head) = oneshot::channel();
        let pipe = Arc::new(Pipe::default());
        let end = Writer(Arc::clone(&pipe));
        let slot = scout.as_ref().map(Scout::slot);
        let task = tokio::spawn(async move {
            let mut response = match request.await {
                Ok(response) => response,
                Err(error) => {
                    let _ = tell.send(Err(error));
                    return;
                }
            };
            let head = Head {
                status: response.status().as_u16(),
                headers: std::mem::take(response.headers_mut()),
            };
            if tell.send(Ok(head)).is_err() {
                return;
            }
            loop {
                match response.chunk().await {
                    Ok(Some(piece)) => {
                        if let Some(scout) = &mut scout {
                            scout.see(&piece);
                        }
                        end.0.write(&piece).await;
                    }
                    Ok(None) => return end.0.finish(Ok(())),
                    Err(error) => return end.0.finish(Err(NetError::of_body(&error))),
                }
            }
        });
        Self {
            head,
            body: PipedBody {
                pipe,
                _task: Task(task),
                _slot: slot,
            },
        }
    }

    /// Waits for the head of the answer.
    pub(super) async fn head(self) -> Result<(Head, PipedBody), NetError> {
        let head = self.head.await.map_err(|_| NetError::CutOff)??;
        Ok((head, self.body))
    }
}

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The reader's end.
pub(super) struct PipedBody {
    pipe: Arc<Pipe>,
    _task: Task,
    /// What was asked for early because of this answer; nobody else keeps it.
    _slot: Option<Arc<Slot>>,
}

impl Body for PipedBody {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        Box::pin(self.pipe.read())
    }
}

/// The task's end: a reader never waits for a task that is gone.
struct Writer(Arc<Pipe>);

impl Drop for Writer {
    fn drop(&mut self) {
        self.0.finish(Err(NetError::CutOff));
    }
}

/// Bytes on their way from one task to another.
#[derive(Default)]
struct Pipe {
    state: Mutex<State>,
    filled: Notify,
    drained: Notify,
}

#[derive(Default)]
struct State {
    blocks: VecDeque<Vec<u8>>,
    bytes: usize,
    end: Option<Result<(), NetError>>,
}

impl Pipe {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits while the buffer is full.
    async fn write(&self, mut piece: &[u8]) {
        loop {
            {
                let mut state = self.state();
                let (now, later) = piece.split_at(piece.len().min(BUFFER - state.bytes));
                state.push(now);
                piece = later;
            }
            self.filled.notify_one();
            if piece.is_empty() {
                return;
            }
            self.drained.notified().await;
        }
    }

    /// The first end counts.
    fn finish(&self, end: Result<(), NetError>) {
        self.state().end.get_or_insert(end);
        self.filled.notify_one();
    }

    async fn read(&self) -> Result<Option<Vec<u8>>, NetError> {
        loop {
            {
                let mut state = self.state();
                if let Some(block) = state.blocks.pop_front() {
                    state.bytes -= block.len();
                    // Not at each block: the two tasks would wake each other all the time.
                    if state.bytes <= BUFFER / 2 {
                        self.drained.notify_one();
                    }
                    return Ok(Some(block));
                }
                if let Some(end) = state.end {
                    return end.map(|()| None);
                }
            }
            self.filled.notified().await;
        }
    }
}

impl State {
    fn push(&mut self, piece: &[u8]) {
        self.bytes += piece.len();
        if let Some(last) = self.blocks.back_mut()
            && last.len() + piece.len() <= BLOCK
        {
            last.extend_from_slice(piece);
        } else if !piece.is_empty() {
            self.blocks.push_back(piece.to_vec());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn a_writer_without_a_reader_waits_once_the_buffer_is_full() {
        let pipe = Arc::new(Pipe::default());
        let writer = Writer(Arc::clone(&pipe));
        let task = tokio::spawn(async move {
            loop {
                writer.0.write(&[7; 10_000]).await;
            }
        });
        tokio::time::timeout(Duration::from_secs(5), async {
            while pipe.state().bytes < BUFFER {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pipe.state().bytes, BUFFER);
        // What is read is followed by more.
        let mut read = 0;
        while read < 3 * BUFFER {
            let block = pipe.read().await.unwrap().unwrap();
            assert!(block.iter().all(|byte| *byte == 7));
            read += block.len();
        }
        task.abort();
        let _ = task.await;
        let mut rest = Ok(Some(Vec::new()));
        while let Ok(Some(_)) = rest {
            rest = pipe.read().await;
        }
        assert_eq!(
            rest,
            Err(NetError::CutOff),
            "what was cut off never looks whole"
        );
    }

    #[tokio::test]
    async fn small_pieces_are_put_together_and_nothing_is_lost() {
        let pipe = Pipe::default();
        for n in 0..200_000u32 {
            pipe.write(&n.to_le_bytes()).await;
        }
        assert!(pipe.state().blocks.len() <= 200_000 * 4 / BLOCK + 1);
        pipe.finish(Ok(()));
        pipe.finish(Err(NetError::Offline));
        let mut all = Vec::new();
        while let Some(block) = pipe.read().await.unwrap() {
            all.extend(block);
        }
        let sent: Vec<u8> = (0..200_000u32).flat_map(u32::to_le_bytes).collect();
        assert!(all == sent);
    }
}
