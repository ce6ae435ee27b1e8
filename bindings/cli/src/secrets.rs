//! Passphrases and codes: from a file or a prompt, never from the command line, which every process can read.

use crate::args::Global;
use crate::failure::Failure;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use pocketchart_core::access::Person;
use pocketchart_core::crypto::SecretText;
use pocketchart_core::vault::{RecoveryCode, Secret};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secret that opens an existing vault. `None`: the keyring has it.
pub(crate) fn to_unlock(global: &Global, person: &Person) -> Result<Option<Secret>, Failure> {
    // clap does not see a conflict of which one half stands before the subcommand and one behind it.
    let ways = [
        global.recovery_code_file.is_some(),
        global.passphrase_file.is_some(),
        global.pin || global.pin_file.is_some(),
        global.keyring,
    ];
    if ways.into_iter().filter(|given| *given).count() > 1 {
        let both =
            "--passphrase-file, --recovery-code-file, --pin and --keyring exclude each other";
        return Err(Failure::Usage(both.into()));
    }
    if global.keyring {
        return Ok(None);
    }
    if let Some(file) = &global.recovery_code_file {
        let text = read_line(file)?;
        let code = RecoveryCode::parse(&text).map_err(|e| Failure::BadSecret(e.to_string()))?;
        return Ok(Some(Secret::Recovery(code)));
    }
    if let Some(file) = &global.pin_file {
        return Ok(Some(Secret::Pin(secret(&read_line(file)?))));
    }
    if global.pin {
        return Ok(Some(Secret::Pin(secret(&ask(&format!(
            "PIN{}: ",
            of(person)
        ))?))));
    }
    let text = match &global.passphrase_file {
        Some(file) => read_line(file)?,
        None => ask(&format!("Passphrase{}: ", of(person)))?,
    };
    Ok(Some(Secret::Passphrase(secret(&text))))
}

/// Whose secret is asked for: on a shared tablet that is not plain.
fn of(person: &Person) -> String {
    match *person == Person::owner() {
        true => String::new(),
        false => format!(" of {person}"),
    }
}

/// A passphrase for a new slot; asked twice at a terminal.
pub(crate) fn new_passphrase(file: Option<&Path>, person: &Person) -> Result<SecretText, Failure> {
    let words = format!(
        "New passphrase{} (several unrelated words are good): ",
        of(person)
    );
    new_secret(file, &words, "the two passphrases do not match")
}

/// A PIN for a new slot; asked twice at a terminal.
pub(crate) fn new_pin(file: Option<&Path>) -> Result<SecretText, Failure> {
    let words = "New PIN (at least six digits): ";
    new_secret(file, words, "the two PINs do not match")
}

fn new_secret(file: Option<&Path>, words: &str, differ: &str) -> Result<SecretText, Failure> {
    if let Some(file) = file {
        return Ok(secret(&read_line(file)?));
    }
    let first = ask(words)?;
    let second = ask("The same again: ")?;
    if *first == *second {
        Ok(secret(&first))
    } else {
        Err(Failure::Usage(differ.into()))
    }
}

/// The passphrase in a file.
pub(crate) fn passphrase_in(file: &Path) -> Result<Secret, Failure> {
    Ok(Secret::Passphrase(secret(&read_line(file)?)))
}

/// The recovery code in a file.
pub(crate) fn recovery_code_in(file: &Path) -> Result<Secret, Failure> {
    let code = RecoveryCode::parse(&read_line(file)?);
    let code = code.map_err(|e| Failure::BadSecret(e.to_string()))?;
    Ok(Secret::Recovery(code))
}

/// A line that is no secret.
pub(crate) fn typed(prompt: &str) -> Result<String, Failure> {
    eprint!("{prompt}");
    let mut line = String::new();
    let read = std::io::stdin().read_line(&mut line);
    read.map_err(Failure::file("reading", Path::new("the terminal")))?;
    Ok(line)
}

/// Asks for the code that was just shown, so that nobody goes on without having written it down. It stands on the
/// screen anyway, so the typing is shown too.
pub(crate) fn confirm(code: &RecoveryCode) -> Result<(), Failure> {
    for left in (0..3).rev() {
        eprint!("Type the recovery code back: ");
        let mut typed = Zeroizing::new(String::new());
        let read = std::io::stdin().read_line(&mut typed);
        if read.map_err(Failure::file("reading", Path::new("the terminal")))? == 0 {
            break;
        }
        if code.is(&typed) {
            return Ok(());
        }
        if left > 0 {
            eprintln!("That is not the code shown above.");
        }
    }
    Err(Failure::CodeNotRepeated)
}

pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal()
}

/// The vault's folder.
pub(crate) fn home(global: &Global) -> Result<PathBuf, Failure> {
    let platform = || {
        choose_native_strategy()
            .ok()
            .map(|platform| platform.data_dir().join("pocketchart"))
    };
    let none =
        || Failure::Usage("no data folder is known on this system: name one with --home".into());
    global.home.clone().or_else(platform).ok_or_else(none)
}

fn ask(prompt: &str) -> Result<Zeroizing<String>, Failure> {
    if !is_interactive() {
        return Err(Failure::Usage(
            "no terminal to ask at: use --passphrase-file FILE, for a new secret --new-passphrase-file or --new-pin-file".into(),
        ));
    }
    let typed = rpassword::prompt_password(prompt).map_err(|source| Failure::File {
        doing: "reading",
        file: "the terminal".into(),
        source,
    })?;
    Ok(Zeroizing::new(typed))
}

/// The first line of a file, without its line end.
fn read_line(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let text =
        Zeroizing::new(std::fs::read_to_string(file).map_err(Failure::file("reading", file))?);
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::BadSecret(format!("{} is empty", file.display())));
    }
    Ok(Zeroizing::new(line.to_owned()))
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}
