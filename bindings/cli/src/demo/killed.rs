//! A sync that is killed in the middle, twice, and resumed: the same program in a process of its own, and SIGKILL.

use super::clinic::{self, Clinic};
use super::device::{self, Device};
use super::story::{ensure, failed};
use crate::failure::Failure;
use pocketchart_core::access::{AccessError, Person};
use pocketchart_core::fhir::Resource;
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// What was done when the kill came.
pub(super) struct Killed {
    pub(super) sent: u64,
    pub(super) to_send: u64,
    pub(super) received: u64,
    pub(super) to_receive: u64,
}

const TO_SEND: u32 = 300;

pub(super) async fn run(
    clinic: &mut Clinic,
    tablet: &mut Device,
    nurse: &Person,
    patient: &str,
) -> Result<Killed, Failure> {
    tablet.hand_to(nurse).await?;
    for n in 0..TO_SEND {
        tablet.record_blood_pressure(
            &format!("demo-killed-{n}"),
            patient,
            100 + n % 60,
            60 + n % 30,
        )?;
    }
    let to_receive = rewrite_on_hub(clinic).await?;
    tablet.close()?;

    let folder = tablet.home.parent().unwrap_or(&tablet.home).to_owned();
    let sent = kill_at(&folder, &tablet.home, "sending", 60, "done")?;
    let received = kill_at(&folder, &tablet.home, "receiving", 200, "records")?;
    let ended = sync(&folder, &tablet.home)?
        .wait()
        .map_err(Failure::file("running", Path::new("a sync")))?;
    ensure(ended.success(), "the resumed sync goes through")?;

    tablet.reopen()?;
    ensure(
        tablet.waiting()? == 0,
        "nothing waits after the resumed sync",
    )?;
    let client = clinic.client()?;
    for n in 0..TO_SEND {
        let answer = client.get(&format!("Observation/demo-killed-{n}")).await?;
        let version = Resource::parse_text(&answer.text)
            .ok()
            .and_then(|r| r.version().map(str::to_owned));
        ensure(
            answer.status == 200,
            "every change made before the kill is on the hub",
        )?;
        ensure(
            version.as_deref() == Some("1"),
            "every change made before the kill was stored once",
        )?;
    }
    Ok(Killed {
        sent,
        to_send: TO_SEND.into(),
        received,
        to_receive,
    })
}

/// The clinic goes on working meanwhile: every Observation it loaded gets a new version.
async fn rewrite_on_hub(clinic: &Clinic) -> Result<u64, Failure> {
    let client = clinic.client()?;
    let mut lines = Vec::new();
    for line in clinic::patients()? {
        let resource = Resource::parse_text(&line).map_err(AccessError::from)?;
        if resource.kind().name() == "Observation" {
            let current = client.get(&resource.name().to_string()).await?;
            lines.push(
                current
                    .text
                    .replacen("\"status\":\"final\"", "\"status\":\"amended\"", 1),
            );
        }
    }
    clinic.load(&lines).await?;
    Ok(u64::try_from(lines.len()).unwrap_or(u64::MAX))
}

/// Runs a sync, waits until it reports at least `least` of `phase`, and kills it. Answers with what it had reported.
fn kill_at(
    folder: &Path,
    home: &Path,
    phase: &str,
    least: u64,
    field: &str,
) -> Result<u64, Failure> {
    let mut child = sync(folder, home)?;
    let output = child
        .stdout
        .take()
        .ok_or_else(|| failed("the sync has no output"))?;
    let mut reported = None;
    for line in BufReader::new(output).lines() {
        let line = line.map_err(Failure::file("reading", Path::new("the sync's output")))?;
        let Ok(object) = serde_json::from_str::<Value>(&line) else {
            continue;
        };
        let done = object[field]
            .as_u64()
            .filter(|_| object["progress"] == phase)
            .unwrap_or(0);
        if done >= least {
            reported = Some(done);
            break;
        }
    }
    // `kill` is SIGKILL: the process gets no chance to tidy up.
    let _ = child.kill();
    let ended = child
        .wait()
        .map_err(Failure::file("running", Path::new("a sync")))?;
    ensure(
        was_killed(ended),
        &format!("the sync was killed while {phase}"),
    )?;
    reported.ok_or_else(|| {
        failed(&format!(
            "the sync ended before it was killed while {phase}"
        ))
    })
}

fn sync(folder: &Path, home: &Path) -> Result<Child, Failure> {
    let program =
        std::env::current_exe().map_err(Failure::file("finding", Path::new("this program")))?;
    let mut command = Command::new(program);
    command
        .arg("--home")
        .arg(home)
        .arg("--passphrase-file")
        .arg(device::passphrase_file(folder));
    command
        .args(["--json", "sync"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    command
        .spawn()
        .map_err(Failure::file("running", Path::new("a sync")))
}

#[cfg(unix)]
fn was_killed(ended: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    ended.signal() == Some(9)
}

#[cfg(not(unix))]
fn was_killed(ended: ExitStatus) -> bool {
    !ended.success()
}
