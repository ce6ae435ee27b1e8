//! The program, as every test here runs it.
// Not each test file needs all of it.
#![allow(missing_docs, dead_code, clippy::unwrap_used)]

use std::process::{Command, Output, Stdio};

/// The program, in nobody's home, with nobody at a terminal and nobody's own keyring.
pub(crate) fn pocketchart() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pocketchart"));
    command
        .env_remove("POCKETCHART_HOME")
        .env_remove("COLUMNS")
        .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")
        .stdin(Stdio::null());
    command
}

/// Exit code, output, errors. One that a signal ended has no code: that fails the test.
pub(crate) fn told(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}
