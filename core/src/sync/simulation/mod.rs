//! Sync under a simulation: a world of devices and a server, all of it drawn from one number.
//!
//! The devices are real vaults and the real [`super::SyncRun`]; clock, network and server are the simulation's own. People
//! edit, networks fail, syncs are dropped at any await; then the world is calmed, everyone syncs, and it is judged. The
//! same seed gives the same run: `POCKETCHART_SEED=17 cargo test -p pocketchart-core --lib simulation::replay -- --nocapture`
//! tells its story.

mod check;
mod clock;
mod device;
mod dice;
mod edits;
mod ledger;
mod mutants;
mod network;
mod peers;
mod personality;
mod run;
mod seeds;
mod sequences;
mod server;
mod story;
mod texts;
mod world;

#[test]
fn replay() {
    seeds::retell();
}
