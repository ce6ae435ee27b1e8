//! The network as `net::Server` sees it.

use super::server::Response;
use super::world::Shared;
use crate::fhir::Instant;
use crate::net::{Body, Doing, NetError, Reply, Request, Wire};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// What connects one device with one server.
pub(super) struct SimWire {
    world: Shared,
    device: usize,
    site: usize,
    url: String,
}

impl SimWire {
    pub(super) fn new(world: &Shared, device: usize, site: usize) -> Self {
        let url = world.hold().servers[site].url.clone();
        Self {
            world: world.clone(),
            device,
            site,
            url,
        }
    }
}

impl Wire for SimWire {
    fn url(&self) -> &str {
        &self.url
    }

    fn send(&self, request: Request) -> Doing<'_, Result<Reply, NetError>> {
        let number = self.world.hold().send(self.device, self.site, request);
        let world = self.world.clone();
        Box::pin(Sending {
            world,
            device: self.device,
            site: self.site,
            number,
        })
    }

    fn pause(&self, time: Duration) -> Doing<'_, ()> {
        let world = self.world.clone();
        let until = {
            let mut world = world.hold();
            let until = world.time.now() + i64::try_from(time.as_millis()).unwrap_or(i64::MAX / 2);
            world.wake_at(until);
            let device = self.device;
            world.tell(&format!("device {device} waits {} ms", time.as_millis()));
            until
        };
        Box::pin(poll_fn(move |_| match world.hold().time.now() >= until {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }))
    }
}

/// A request under way.
struct Sending {
    world: Shared,
    device: usize,
    site: usize,
    number: u64,
}

impl Future for Sending {
    type Output = Result<Reply, NetError>;

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        let mut world = self.world.hold();
        let Some(reply) = world.reply(self.number) else {
            return Poll::Pending;
        };
        let now = world.time.now() + world.server_wrong_by_ms;
        drop(world);
        Poll::Ready(reply.map(|(response, cut)| self.reply(response, cut, now)))
    }
}

impl Sending {
    fn reply(&self, response: Response, cut: Option<usize>, server_now: i64) -> Reply {
        let whole = response.body.as_bytes();
        let sent = &whole[..cut.unwrap_or(whole.len())];
        let mut pieces: VecDeque<Result<Vec<u8>, NetError>> =
            sent.chunks(700).map(|piece| Ok(piece.to_vec())).collect();
        if cut.is_some() {
            pieces.push_back(Err(NetError::Offline));
        }
        Reply {
            status: response.status,
            version: response.version,
            modified: response
                .modified_us
                .map(|us| Instant::from_epoch_ms(us.div_euclid(1_000_000) * 1000)),
            date: Some(Instant::from_epoch_ms(server_now.div_euclid(1000) * 1000)),
            retry_after: response.retry_after,
            location: response.location,
            body: Box::new(Pieces {
                world: self.world.clone(),
                device: self.device,
                site: self.site,
                shows: response.shows,
                left: pieces,
                ready_at: server_now,
            }),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.world.hold().forget(self.number);
    }
}

/// A body that comes in pieces, a millisecond apart.
struct Pieces {
    world: Shared,
    device: usize,
    site: usize,
    shows: Vec<(String, usize)>,
    left: VecDeque<Result<Vec<u8>, NetError>>,
    ready_at: i64,
}

impl Body for Pieces {
    fn chunk(&mut self) -> Doing<'_, Result<Option<Vec<u8>>, NetError>> {
        {
            let mut world = self.world.hold();
            self.ready_at = world.time.now() + 1;
            let at = self.ready_at;
            world.wake_at(at);
        }
        Box::pin(poll_fn(|_| {
            let mut world = self.world.hold();
            if world.time.now() < self.ready_at {
                return Poll::Pending;
            }
            Poll::Ready(match self.left.pop_front() {
                Some(Ok(piece)) => Ok(Some(piece)),
                Some(Err(error)) => Err(error),
                None => {
                    let shows = std::mem::take(&mut self.shows);
                    world.servers[self.site].note_seen(self.device, &shows);
                    Ok(None)
                }
            })
        }))
    }
}
