//! What goes on outside the devices: time, requests on their way, servers that work on them, and the story of it all.

use super::clock::Time;
use super::dice::Dice;
use super::server::{Response, Server, When};
use super::story::{Edit, marks};
use crate::net::{Method, NetError, Request, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// A world that several hands hold, one after the other: a run has one thread.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<World>>);

/// Of a hundred requests, how many go wrong, and how.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    /// Never arrive.
    pub(super) lost: u32,
    /// Are done, and the answer never arrives.
    pub(super) unanswered: u32,
    /// Answers that break off in the middle.
    pub(super) cut: u32,
    /// Arrive twice.
    pub(super) doubled: u32,
    /// Take up to half a minute.
    pub(super) slow: u32,
}

/// How a device is connected, and what it did.
#[derive(Default)]
pub(super) struct Link {
    pub(super) offline: bool,
    /// Its token is not accepted.
    pub(super) revoked: bool,
    pub(super) requests: u64,
    /// Times that something came back to it.
    pub(super) woken: u64,
}

pub(super) struct World {
    pub(super) time: Time,
    pub(super) dice: Dice,
    pub(super) servers: Vec<Server>,
    pub(super) faults: Faults,
    pub(super) links: Vec<Link>,
    /// The servers do not answer before.
    pub(super) down_until_ms: i64,
    /// The servers' clock goes wrong by this.
    pub(super) server_wrong_by_ms: i64,
    /// Edits in writes whose answers did not arrive: their devices cannot know what became of them.
    pub(super) unanswered: BTreeSet<Edit>,
    /// What happens is printed.
    pub(super) told: bool,
    events: BTreeMap<(i64, u64), Event>,
    exchanges: BTreeMap<u64, Exchange>,
    numbers: u64,
}

enum Event {
    /// A request reaches its server.
    Arrives(u64),
    /// What a server began is done and seen.
    Done(u64),
    /// Somebody waits for this moment.
    Wake,
}

struct Exchange {
    device: usize,
    site: usize,
    request: Request,
    fate: Fate,
    /// What comes back, and when.
    reply: Option<(i64, Result<Response, NetError>)>,
    /// Its answer is dropped: a second copy of a request.
    is_copy: bool,
    stamp_us: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    Lost,
    Unanswered,
    Cut,
}

impl Shared {
    pub(super) fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(World {
            time: Time::new(),
            dice,
            servers: Vec::new(),
            faults: Faults::default(),
            links: Vec::new(),
            down_until_ms: 0,
            server_wrong_by_ms: 0,
            unanswered: BTreeSet::new(),
            told: false,
            events: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            numbers: 0,
        })))
    }

    pub(super) fn hold(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap()
    }

    pub(super) fn tell(&self, what: impl AsRef<str>) {
        self.hold().tell(what.as_ref());
    }
}

impl World {
    pub(super) fn tell(&mut self, what: &str) {
        if self.told {
            let ms = self.time.now() - super::clock::START_MS;
            println!("{:>9}.{:03}  {what}", ms / 1000, ms % 1000);
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn at(&mut self, ms: i64, event: Event) {
        let number = self.number();
        self.events.insert((ms, number), event);
    }

    /// Somebody waits until `ms`.
    pub(super) fn wake_at(&mut self, ms: i64) {
        self.at(ms, Event::Wake);
    }

    /// When the next thing happens.
    pub(super) fn next_at(&self) -> Option<i64> {
        self.events.keys().next().map(|(ms, _)| *ms)
    }

    /// Lets the next thing happen.
    pub(super) fn step(&mut self) {
        let Some(((ms, _), event)) = self.events.pop_first() else {
            return;
        };
        self.time.advance_to(ms);
        match event {
            Event::Wake => {}
            Event::Arrives(number) => self.arrives(number),
            Event::Done(number) => self.done(number),
        }
    }

    /// A device sends a request; answers with its number.
    pub(super) fn send(&mut self, device: usize, site: usize, request: Request) -> u64 {
        let number = self.number();
        let now = self.time.now();
        self.links[device].requests += 1;
        let roll = self.dice.below(100) as u32;
        let faults = self.faults;
        let bounds = [faults.lost, faults.unanswered, faults.cut];
        let fates = [Fate::Lost, Fate::Unanswered, Fate::Cut];
        let mut fate = Fate::Answered;
        let mut sum = 0;
        for (bound, it) in bounds.into_iter().zip(fates) {
            if roll >= sum && roll < sum + bound {
                fate = it;
            }
            sum += bound;
        }
        let delay = match self.dice.chance(faults.slow) {
            true => self.dice.between(1_000, 25_000),
            false => self.dice.between(5, 120),
        };
        let offline = self.links[device].offline || now < self.down_until_ms;
        let what = said(&request);
        let exchange = Exchange {
            device,
            site,
            request,
            fate,
            reply: None,
            is_copy: false,
            stamp_us: 0,
        };
        if offline {
            self.tell(&format!("device {device} -> {what}: not connected"));
            let reply = Some((now + 50, Err(NetError::Offline)));
            self.exchanges
                .insert(number, Exchange { reply, ..exchange });
            self.wake_at(now + 50);
            return number;
        }
        let ill = if fate == Fate::Answered {
            String::new()
        } else {
            format!(" [{fate:?}]")
        };
        self.tell(&format!("device {device} -> {what}{ill}"));
        if fate == Fate::Lost {
            let (after, error) = match self.dice.chance(50) {
                true => (300, NetError::Offline),
                false => (60_000, NetError::TimedOut),
            };
            self.exchanges.insert(
                number,
                Exchange {
                    reply: Some((now + after, Err(error))),
                    ..exchange
                },
            );
            self.wake_at(now + after);
            return number;
        }
        if self.dice.chance(faults.doubled) {
            let second = self.number();
            let copy = Exchange {
                request: exchange.request.clone(),
                is_copy: true,
                fate: Fate::Unanswered,
                reply: None,
                ..exchange
            };
            self.exchanges.insert(second, copy);
            let later = self.dice.between(0, 400);
            self.at(now + delay + later, Event::Arrives(second));
        }
        self.exchanges.insert(number, exchange);
        self.at(now + delay, Event::Arrives(number));
        number
    }

    fn when(&self, stamp_us: i64, astray: bool) -> When {
        When {
            now_ms: self.time.now() + self.server_wrong_by_ms,
            stamp_us,
            astray,
        }
    }

    fn arrives(&mut self, number: u64) {
        let now = self.time.now();
        let down = now < self.down_until_ms;
        let fine = self.dice.between(0, 999);
        let stamp_us = (now + self.server_wrong_by_ms) * 1000 + fine;
        let Some(exchange) = self.exchanges.get_mut(&number) else {
            return;
        };
        if down {
            exchange.reply = Some((now + 100, Err(NetError::Offline)));
            self.wake_at(now + 100);
            return;
        }
        exchange.stamp_us = stamp_us;
        let late = match Server::is_write(&exchange.request) {
            true => self.servers[exchange.site].ways.late_ms,
            false => 0,
        };
        match late > 0 && self.dice.chance(50) {
            true => {
                let later = self.dice.between(1, late);
                self.at(now + later, Event::Done(number));
            }
            false => self.done(number),
        }
    }

    fn done(&mut self, number: u64) {
        let Some(exchange) = self.exchanges.get(&number) else {
            return;
        };
        let (device, site, fate) = (exchange.device, exchange.site, exchange.fate);
        let (request, when) = (
            exchange.request.clone(),
            self.when(exchange.stamp_us, exchange.is_copy),
        );
        let is_copy = exchange.is_copy;
        let response = self.worked_on(device, site, &request, when);
        let now = self.time.now();
        let what = if is_copy { "again, a copy: " } else { "" };
        let stored = response
            .shows
            .first()
            .map(|(name, n)| format!(" {name} has {n}"))
            .unwrap_or_default();
        if Server::is_write(&request) || response.status >= 400 {
            self.tell(&format!(
                "  server: {what}{} = {}{stored}",
                said(&request),
                response.status
            ));
        }
        if is_copy {
            self.exchanges.remove(&number);
            return;
        }
        let back = self.dice.between(5, 120);
        let reply = match fate {
            Fate::Unanswered => match self.dice.chance(50) {
                true => (now + back, Err(NetError::Offline)),
                false => (now + 60_000, Err(NetError::TimedOut)),
            },
            _ => (now + back, Ok(response)),
        };
        self.wake_at(reply.0);
        if let Some(exchange) = self.exchanges.get_mut(&number) {
            exchange.reply = Some(reply);
        }
    }

    fn worked_on(&mut self, device: usize, site: usize, request: &Request, when: When) -> Response {
        if self.links[device].revoked && request.target != Target::Below("metadata".into()) {
            return Response::failed(401, "login");
        }
        let ways = &self.servers[site].ways;
        let (busy, fails) = (ways.busy_percent, ways.fails_percent);
        if self.dice.chance(busy) {
            let seconds = self.dice.pick(&[1, 5, 120]);
            return Response {
                retry_after: Some(Duration::from_secs(seconds)),
                ..Response::failed(self.dice.pick(&[429, 503]), "throttled")
            };
        }
        match self.dice.chance(fails) {
            false => self.servers[site].handle(device, request, when),
            // Half of the failures come after the work.
            true => {
                if self.dice.chance(50) {
                    self.servers[site].handle(device, request, when);
                }
                Response::failed(500, "exception")
            }
        }
    }

    /// What came back for a request, once it is there. A body that breaks off says after how many bytes.
    pub(super) fn reply(
        &mut self,
        number: u64,
    ) -> Option<Result<(Response, Option<usize>), NetError>> {
        let now = self.time.now();
        let (at, _) = self.exchanges.get(&number)?.reply.as_ref()?;
        if *at > now {
            return None;
        }
        let exchange = self.exchanges.remove(&number)?;
        let (_, reply) = exchange.reply?;
        let failed = reply
            .as_ref()
            .map_or(true, |response| response.status >= 500);
        if (failed || exchange.fate != Fate::Answered) && Server::is_write(&exchange.request) {
            self.unanswered
                .extend(marks(exchange.request.body.as_deref().unwrap_or_default()));
        }
        self.links[exchange.device].woken += 1;
        Some(reply.map(|response| {
            let cut =
                (exchange.fate == Fate::Cut).then(|| self.dice.below(response.body.len() + 1));
            (response, cut)
        }))
    }

    /// Whoever sent it does not wait for its answer any more.
    pub(super) fn forget(&mut self, number: u64) {
        if let Some(exchange) = self.exchanges.get_mut(&number) {
            exchange.is_copy = true;
            if Server::is_write(&exchange.request) {
                let body = exchange.request.body.as_deref().unwrap_or_default();
                self.unanswered.extend(marks(body));
            }
        }
    }
}

/// A request in a few words.
fn said(request: &Request) -> String {
    let to = match &request.target {
        Target::Base => "/".to_owned(),
        Target::Below(path) => path.clone(),
        Target::Link(link) => format!(
            "(link) {}",
            link.split_once("/fhir/")
                .map_or(link.as_str(), |(_, path)| path)
        ),
    };
    let method = match request.method {
        Method::Get => "GET",
        Method::Put => "PUT",
        Method::Post => "POST",
        Method::Delete => "DELETE",
    };
    let if_match = request
        .if_match
        .as_deref()
        .map(|version| format!(" if {version}"));
    let absent = if request.if_absent { " if absent" } else { "" };
    let mut said = format!("{method} {to}{}{absent}", if_match.unwrap_or_default());
    if request.method != Method::Get
        && let Some(body) = &request.body
    {
        let told = super::story::tokens(body);
        if !told.is_empty() {
            said += &format!(" [{told}]");
        }
    }
    said
}
