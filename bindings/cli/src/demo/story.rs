//! What the demo tells, with the time each step took.

use crate::failure::Failure;
use crate::output::line;
use std::time::Instant;

/// The steps so far.
pub(super) struct Story {
    begun: Instant,
    step: Instant,
    steps: u32,
}

impl Story {
    pub(super) fn begin(title: &str) -> Self {
        line(&format!("Pocketchart demo. {title}\n"));
        let now = Instant::now();
        Self {
            begun: now,
            step: now,
            steps: 0,
        }
    }

    /// A step is done.
    pub(super) fn step(&mut self, words: &str) {
        self.steps += 1;
        line(&format!(
            "{:>2}. {:>6.2} s  {words}",
            self.steps,
            self.step.elapsed().as_secs_f64()
        ));
        self.step = Instant::now();
    }

    /// A further line about it.
    pub(super) fn more(&self, words: &str) {
        line(&format!("{:14}{words}", ""));
    }

    pub(super) fn end(&self) {
        line(&format!(
            "\nDone in {:.1} s.",
            self.begun.elapsed().as_secs_f64()
        ));
    }
}

/// The demo fails unless `holds`.
pub(super) fn ensure(holds: bool, what: &str) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(failed(&format!("this does not hold: {what}")))
    }
}

/// The demo's own failure.
pub(super) fn failed(words: &str) -> Failure {
    Failure::Demo(words.to_owned())
}
