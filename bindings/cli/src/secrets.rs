//! Passphrases and codes: from a file or a prompt, never from the command line, which every process can read.

use crate::args::Global;
use crate::failure::Failure;
use etcetera::base_strategy::{BaseStrategy, choose_native_strategy};
use pocketchart_core::crypto::SecretText;
use pocketchart_core::vault::{RecoveryCode, Secret};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

/// The secret that opens an existing vault.
pub(crate) fn to_unlock(global: &Global) -> Result<Secret, Failure> {
    if let Some(file) = &global.recovery_code_file {
        // clap does not see a conflict of which one half stands before the subcommand and one behind it.
        if global.passphrase_file.is_some() {
            let both = "--passphrase-file and --recovery-code-file exclude each other";
            return Err(Failure::Usage(both.into()));
        }
        let text = read_line(file)?;
        let code = RecoveryCode::parse(&text).map_err(|e| Failure::BadSecret(e.to_string()))?;
        return Ok(Secret::Recovery(code));
    }
    let text = match &global.passphrase_file {
        Some(file) => read_line(file)?,
        None => ask("Passphrase: ")?,
    };
    Ok(Secret::Passphrase(secret(&text)))
}

/// A passphrase for a new vault; asked twice at a terminal.
pub(crate) fn for_new_vault(global: &Global) -> Result<SecretText, Failure> {
    if let Some(file) = &global.passphrase_file {
        return Ok(secret(&read_line(file)?));
    }
    let first = ask("New passphrase (several unrelated words are good): ")?;
    let second = ask("The same again: ")?;
    if *first == *second {
        Ok(secret(&first))
    } else {
        Err(Failure::Usage("the two passphrases do not match".into()))
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
        if RecoveryCode::parse(&typed)
            .is_ok_and(|typed| typed.to_text().expose() == code.to_text().expose())
        {
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
            "no terminal to ask for the passphrase: use --passphrase-file FILE".into(),
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
