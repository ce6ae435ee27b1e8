//! One run: a world drawn from a seed, lived through, calmed and judged.

use super::device::{Device, Going};
use super::dice::Dice;
use super::ledger::Ledger;
use super::personality::{Can, Personality};
use super::server::Server;
use super::world::{Faults, Shared};
use super::{check, edits};
use crate::sync::SyncError;

/// Most requests of one sync: whoever needs more goes in circles.
const MOST_REQUESTS: u64 = 1_500;
/// Rounds in which everyone syncs at the end until nothing moves any more.
const MOST_ROUNDS: usize = 20;

/// What a run is about.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// `None`: drawn.
    pub(super) ways: Option<Personality>,
    /// The network and the devices fail.
    pub(super) faults: bool,
    pub(super) can: Can,
    pub(super) steps: usize,
    /// Its story is printed as it goes.
    pub(super) told: bool,
}

/// How much there was in it.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Summary {
    pub(super) edits: usize,
    pub(super) syncs: usize,
    pub(super) kills: usize,
    pub(super) requests: u64,
    pub(super) conflicts: usize,
    pub(super) rounds: usize,
}

impl Summary {
    pub(super) fn add(&mut self, other: &Self) {
        self.edits += other.edits;
        self.syncs += other.syncs;
        self.kills += other.kills;
        self.requests += other.requests;
        self.conflicts += other.conflicts;
        self.rounds = self.rounds.max(other.rounds);
    }
}

/// What went wrong.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) what: String,
}

pub(super) struct Run {
    pub(super) world: Shared,
    pub(super) devices: Vec<Device>,
    pub(super) ledger: Ledger,
    pub(super) dice: Dice,
    pub(super) can: Can,
    pub(super) summary: Summary,
    started_at: Vec<u64>,
    /// What was seen to be wrong on the way.
    wrong: Option<String>,
}

impl Plan {
    /// Any world, with everything that may go wrong.
    pub(super) fn any(seed: u64) -> Self {
        Self {
            seed,
            ways: None,
            faults: true,
            can: Can::now(),
            steps: 60,
            told: false,
        }
    }

    /// A server as the specification would have it, and nothing fails.
    pub(super) fn honest(seed: u64) -> Self {
        Self {
            ways: Some(Personality::honest()),
            faults: false,
            ..Self::any(seed)
        }
    }

    pub(super) fn run(&self) -> Result<Summary, Failure> {
        let count = 2 + Dice::new(!self.seed).below(3);
        let mut run = Run::with_devices(self, count);
        let lived = run
            .live(self.steps, self.faults)
            .and_then(|()| run.calm())
            .and_then(|()| check::all(&mut run));
        match lived {
            Ok(()) => {
                run.summary.edits = run.ledger.all().count();
                run.summary.requests = run
                    .world
                    .hold()
                    .links
                    .iter()
                    .map(|link| link.requests)
                    .sum();
                Ok(run.summary)
            }
            Err(what) => {
                check::tell(&run);
                run.world.tell(&what);
                Err(Failure { what })
            }
        }
    }
}

impl Run {
    pub(super) fn with_devices(plan: &Plan, count: usize) -> Self {
        let mut dice = Dice::new(plan.seed);
        let world = Shared::new(dice.apart());
        world.hold().told = plan.told;
        let ways = match &plan.ways {
            Some(ways) => ways.clone(),
            None => Personality::drawn(&mut dice.apart(), &plan.can),
        };
        world.tell(format!("{ways:?}"));
        let server = Server::new("https://one.example/fhir", ways, dice.apart());
        world.hold().servers.push(server);
        if plan.faults {
            let mut drawn = |of: &[u32]| dice.pick(of);
            world.hold().faults = Faults {
                lost: drawn(&[0, 2, 6]),
                unanswered: drawn(&[0, 3, 8]),
                cut: drawn(&[0, 2, 6]),
                doubled: drawn(&[0, 0, 4]),
                slow: drawn(&[0, 2, 10]),
            };
        }
        let mut run = Self {
            world,
            devices: Vec::new(),
            ledger: Ledger::default(),
            dice,
            can: plan.can,
            summary: Summary::default(),
            started_at: Vec::new(),
            wrong: None,
        };
        (0..count).for_each(|_| run.add_device());
        run
    }

    /// The eventful part.
    fn live(&mut self, steps: usize, faults: bool) -> Result<(), String> {
        for _ in 0..steps {
            // Often several things at once.
            for _ in 0..self.dice.pick(&[1, 1, 2, 4]) {
                self.step(faults)?;
            }
            let gap = self.dice.pick(&[5, 60, 200, 500, 1_500, 6_000, 30_000]);
            self.pass(gap)?;
        }
        Ok(())
    }

    fn step(&mut self, faults: bool) -> Result<(), String> {
        let device = self.dice.below(self.devices.len());
        match self.dice.below(100) {
            0..40 => edits::by_device(self, device),
            40..50 => {
                edits::by_stranger(self);
                Ok(())
            }
            50..84 => {
                self.start_sync(device, faults);
                Ok(())
            }
            _ if !faults => Ok(()),
            84..88 => {
                if self.devices[device].is_syncing() {
                    self.devices[device].kill_sync();
                    self.summary.kills += 1;
                    self.world
                        .tell(format!("device {device}: its sync is killed"));
                }
                Ok(())
            }
            88..90 => {
                self.world
                    .tell(format!("device {device}: the vault is closed and opened"));
                self.devices[device].reopen();
                Ok(())
            }
            90..92 => {
                let mut world = self.world.hold();
                let link = &mut world.links[device];
                link.offline = !link.offline;
                let now = if link.offline {
                    "not connected"
                } else {
                    "connected"
                };
                world.tell(&format!("device {device} is {now}"));
                Ok(())
            }
            92..94 => {
                let mut world = self.world.hold();
                let link = &mut world.links[device];
                link.revoked = !link.revoked;
                let now = if link.revoked {
                    "revoked"
                } else {
                    "good again"
                };
                world.tell(&format!("the token of device {device} is {now}"));
                Ok(())
            }
            94..96 => {
                let mut world = self.world.hold();
                world.down_until_ms = world.time.now() + 3_000;
                world.servers.iter_mut().for_each(Server::restart);
                world.tell("the server starts anew");
                Ok(())
            }
            96..98 => {
                let by = self
                    .dice
                    .pick(&[-86_400_000, -300_000, 0, 40_000, 86_400_000 * 400]);
                self.devices[device].clock.set_wrong_by(by);
                self.world
                    .tell(format!("the clock of device {device} is wrong by {by} ms"));
                Ok(())
            }
            _ => {
                // Forward only: the time that a server shows never goes back, but for a restored copy.
                // With what comes late it stays within the window that a pull goes back.
                let by = self.dice.between(1_000, 45_000);
                self.world.hold().server_wrong_by_ms += by;
                self.world
                    .tell(format!("the clock of the server jumps by {by} ms"));
                Ok(())
            }
        }
    }

    /// One more device, which knows all servers that there are.
    pub(super) fn add_device(&mut self) {
        self.world.hold().links.push(Default::default());
        let device = Device::new(&self.world, self.devices.len());
        self.devices.push(device);
        self.started_at.push(0);
    }

    pub(super) fn start_sync(&mut self, device: usize, faults: bool) {
        self.start_sync_with(device, 0, faults);
    }

    pub(super) fn start_sync_with(&mut self, device: usize, site: usize, faults: bool) {
        if self.devices[device].is_syncing() {
            return;
        }
        let (woken, requests) = {
            let world = self.world.hold();
            (world.links[device].woken, world.links[device].requests)
        };
        self.started_at[device] = requests;
        let kill = faults && self.dice.chance(25);
        let kill_after = kill.then(|| woken + self.dice.below(25) as u64);
        self.world.tell(format!("device {device}: sync"));
        self.summary.syncs += 1;
        self.devices[device].start_sync(site, kill_after);
        self.poll(device);
    }

    /// Lets a device go on; what it came to is told.
    fn poll(&mut self, device: usize) -> Option<Result<u64, SyncError>> {
        let woken = self.world.hold().links[device].woken;
        match self.devices[device].poll(woken) {
            Going::Idle | Going::On => None,
            Going::Killed => {
                self.summary.kills += 1;
                self.world
                    .tell(format!("device {device}: its sync is killed"));
                None
            }
            Going::Over(done) => match *done {
                Ok(report) => {
                    let told = format!("{report:?}");
                    let told: Vec<&str> = told.split(", ").filter(|it| !is_nothing(it)).collect();
                    self.world
                        .tell(format!("device {device}: sync done: {}", told.join(", ")));
                    if let Err(what) = check::nothing_vanished(self, device) {
                        self.wrong.get_or_insert(what);
                    }
                    Some(Ok(report.sent
                        + report.received
                        + report.conflicts
                        + report.refused))
                }
                Err(error) => {
                    self.world
                        .tell(format!("device {device}: sync failed: {error}"));
                    Some(Err(error))
                }
            },
        }
    }

    /// Lets `ms` pass.
    pub(super) fn pass(&mut self, ms: i64) -> Result<(), String> {
        let until = self.world.hold().time.now() + ms;
        while self.world.hold().next_at().is_some_and(|at| at <= until) {
            self.world.hold().step();
            for device in 0..self.devices.len() {
                self.poll(device);
                self.must_not_run_in_circles(device)?;
            }
        }
        self.world.hold().time.advance_to(until);
        Ok(())
    }

    fn must_not_run_in_circles(&mut self, device: usize) -> Result<(), String> {
        if let Some(wrong) = self.wrong.take() {
            return Err(wrong);
        }
        let sent = self.world.hold().links[device].requests - self.started_at[device];
        match self.devices[device].is_syncing() && sent > MOST_REQUESTS {
            true => Err(format!(
                "a sync of device {device} sent more than {MOST_REQUESTS} requests"
            )),
            false => Ok(()),
        }
    }

    /// Nothing fails any more; everyone syncs until nothing moves.
    fn calm(&mut self) -> Result<(), String> {
        self.world.tell("calm");
        {
            let mut world = self.world.hold();
            world.faults = Faults::default();
            world.down_until_ms = 0;
            for link in &mut world.links {
                (link.offline, link.revoked) = (false, false);
            }
            for server in &mut world.servers {
                (server.ways.busy_percent, server.ways.fails_percent) = (0, 0);
                server.ways.forgets_percent = 0;
            }
        }
        // What is still under way comes to its end.
        self.pass(200_000)?;
        for device in 0..self.devices.len() {
            self.devices[device].clock.set_wrong_by(0);
        }
        let mut quiet = 0;
        for round in 0..MOST_ROUNDS {
            let mut moved = 0;
            for device in 0..self.devices.len() {
                moved += self.sync_to_end(device)?;
            }
            self.summary.rounds = round + 1;
            quiet = if moved == 0 { quiet + 1 } else { 0 };
            if quiet == 4 {
                return Ok(());
            }
            // What a server no longer knows is believed after the longest window only.
            self.pass(if quiet < 2 { 120_000 } else { 11 * 60_000 })?;
        }
        Err(format!(
            "after {MOST_ROUNDS} rounds of syncs without a fault something still moves"
        ))
    }

    /// One sync from beginning to end; answers with how much moved.
    fn sync_to_end(&mut self, device: usize) -> Result<u64, String> {
        self.start_sync(device, false);
        let limit = self.world.hold().time.now() + 3_600_000;
        loop {
            if !self.devices[device].is_syncing() {
                // It ended in its first poll: nothing was asked.
                return Err(format!("device {device} synced without asking anything"));
            }
            let Some(at) = self.world.hold().next_at().filter(|at| *at <= limit) else {
                return Err(format!("a sync of device {device} waits for nothing"));
            };
            debug_assert!(at <= limit);
            self.world.hold().step();
            self.must_not_run_in_circles(device)?;
            match self.poll(device) {
                None => {}
                Some(Ok(moved)) => {
                    return self.must_not_run_in_circles(device).map(|()| moved);
                }
                Some(Err(error)) => {
                    return Err(format!(
                        "a sync of device {device} failed in calm weather: {error}"
                    ));
                }
            }
        }
    }
}

/// A field of a report that says nothing.
fn is_nothing(field: &str) -> bool {
    [": 0", ": false", ": None", ": None }"]
        .iter()
        .any(|nothing| field.ends_with(nothing))
}
