//! The command line.

mod booking;

pub(crate) use booking::{Book, Slots, Times};

use clap::{Parser, Subcommand};
use pocketchart_core::access::Person;
use pocketchart_core::fhir::merge::{InvalidPath, Path, Side};
use std::net::SocketAddr;
use std::path::PathBuf;

const EXIT_CODES: &str = "Exit codes: 0 ok, 1 failed, 2 usage, 3 locked or wrong secret, \
                          4 a conflict, or a change that was refused or whose author is not approved, waits for a person, 5 offline.";

/// Encrypted, offline-first health records.
#[derive(Debug, Parser)]
#[command(name = "pocketchart", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options that stand before or after the subcommand.
#[derive(Debug, clap::Args)]
pub(crate) struct Global {
    /// The folder the vault lives in [default: the platform's data folder]
    #[arg(long, global = true, value_name = "DIR", env = "POCKETCHART_HOME")]
    pub(crate) home: Option<PathBuf>,
    /// Read the passphrase from a file instead of asking for it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Open the vault with the recovery code in a file
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) recovery_code_file: Option<PathBuf>,
    /// Open the vault with a PIN, together with the desktop's keyring
    #[arg(long, global = true)]
    pub(crate) pin: bool,
    /// Read the PIN from a file instead of asking for it
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) pin_file: Option<PathBuf>,
    /// Open the vault with what the desktop's keyring holds: it proves the login, not a person
    #[arg(long, global = true)]
    pub(crate) keyring: bool,
    /// Whose slot to open [default: what `person switch` chose, else the owner's]
    #[arg(long, global = true, value_name = "ID")]
    pub(crate) person: Option<String>,
    /// Print JSON for programs, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only what was asked for, and errors
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The whole story in under a minute: a hub, a phone and a tablet sync, go offline, edit, and agree again
    Demo {
        /// Keep the three homes in this folder, to look around afterwards
        #[arg(long, value_name = "DIR")]
        keep: Option<PathBuf>,
    },
    /// Make or check a vault
    Vault {
        #[command(subcommand)]
        command: Vault,
    },
    /// Who can open this vault
    Person {
        #[command(subcommand)]
        command: PersonCommand,
    },
    /// Store the FHIR resource in a file ("-": standard input) and queue it for the server
    Put { file: PathBuf },
    /// Print a record, byte for byte
    Get {
        /// Such as Patient/123
        #[arg(value_name = "TYPE/ID")]
        name: String,
    },
    /// Delete a record here and queue the deletion for the server
    Delete {
        /// Such as Patient/123
        #[arg(value_name = "TYPE/ID")]
        name: String,
    },
    /// Find records, as rows to read: pocketchart search 'Observation?patient=1&_sort=-date'
    Search(Search),
    /// A patient's chart to read: problems, allergies, medicines, results with their trend, visits
    Show {
        /// The id, or how the name begins ("ana", "ana lopez") [default: the only patient here, else a list]
        #[arg(value_name = "PATIENT")]
        patient: Option<String>,
        /// Everything: past problems and medicines, every test
        #[arg(long)]
        all: bool,
    },
    /// Store the FHIR records in files: NDJSON, resources and Bundles (JSON), also .gz, .zst, .xz, and folders of them
    Import {
        #[arg(required = true, value_name = "PATH")]
        paths: Vec<PathBuf>,
        /// Queue everything for the server, as if it had been typed in here
        #[arg(long)]
        as_edits: bool,
    },
    /// Write the records to a file, in clear: keep it safe
    Export {
        /// One resource a line, in this file ("-": standard output)
        #[arg(long, required = true, value_name = "OUT")]
        ndjson: PathBuf,
        /// Only what is about this patient
        #[arg(long, value_name = "ID")]
        patient: Option<String>,
    },
    /// Send what waits to a FHIR server, then receive what is new
    Sync(Sync),
    /// Free times, as the last sync left them here
    Slots(Slots),
    /// Ask for a visit, with a network or without one; see, move, join and call off visits
    Book(Book),
    /// Measure the store on this computer, on synthetic patients and beside baselines; touches no vault of yours
    Bench,
    /// What is in the vault and what waits
    Status,
    /// What was changed on both sides and waits for a person; one of them with all its versions
    Conflicts {
        /// Such as Patient/123
        #[arg(value_name = "TYPE/ID")]
        name: Option<String>,
    },
    /// Decide a conflict; the decision goes to the server with the next sync, as your change
    Resolve(Resolve),
    /// What a server refused for good; it stays here until somebody gives it up or sends it again
    Quarantine {
        /// Such as Patient/123
        #[arg(value_name = "TYPE/ID")]
        name: Option<String>,
        /// Send it once more as it is
        #[arg(long, requires = "name", conflicts_with = "discard")]
        again: bool,
        /// Give it up: the record is again what the server has
        #[arg(long, requires = "name")]
        discard: bool,
    },
    /// Who may do what: show it, check another, put another into force
    Policy {
        #[command(subcommand)]
        command: PolicyCommand,
    },
    /// Who saw or changed what: the audit trail, newest entry first
    Audit(Audit),
    /// Join a hub with the code its operator shows; it can be typed again after an interruption
    Join {
        /// pocketchart://... ("-": read it from standard input, out of sight of other programs)
        code: String,
        /// Present the code once, and do not wait to be approved
        #[arg(long)]
        once: bool,
    },
    /// Serve this vault as a FHIR R4 server over HTTPS, or operate the hub that runs here
    Hub(Hub),
}

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Hub {
    /// Address and port; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8443")]
    pub(crate) listen: SocketAddr,
    /// Write {"url","ca_file","token_file"} here once it serves
    #[arg(long, value_name = "FILE")]
    pub(crate) ready_file: Option<PathBuf>,
    /// One line for each request on standard error, without anything of a patient
    #[arg(long, value_name = "FORM")]
    pub(crate) log: Option<Log>,
    #[command(subcommand)]
    pub(crate) command: Option<HubCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HubCommand {
    /// Make a code that lets one device in, good for 15 minutes (with --person ID: that person of it, too)
    #[command(group = clap::ArgGroup::new("whose").required(true))]
    Enrol {
        /// What to call the device
        #[arg(long, value_name = "NAME")]
        device: String,
        /// A patient's own device: it may see this patient
        #[arg(long, value_name = "ID", group = "whose")]
        patient: Option<String>,
        /// A shared device, and where it stands
        #[arg(long, value_name = "NAME", group = "whose")]
        facility: Option<String>,
        /// The role of the person named with --person, such as nurse or physician
        #[arg(long, conflicts_with = "patient")]
        role: Option<String>,
    },
    /// Devices and people, and who waits to be approved
    Devices,
    /// Let in a device that waits, or certify a person's key; compare the fingerprint first
    Approve {
        /// The beginning of the id, or the whole fingerprint
        id: String,
        /// A person's role, such as nurse or physician
        #[arg(long)]
        role: Option<String>,
    },
    /// Shut out a device or a person at once
    Revoke {
        /// The beginning of the id, or the whole fingerprint
        id: String,
    },
}

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("how").required(true))]
pub(crate) struct Resolve {
    /// Such as Patient/123
    #[arg(value_name = "TYPE/ID")]
    pub(crate) name: String,
    /// What was written here stands, beside what the server changed elsewhere in the record
    #[arg(long, group = "how")]
    pub(crate) mine: bool,
    /// What was written here is given up
    #[arg(long, group = "how")]
    pub(crate) theirs: bool,
    /// One difference, as `conflicts TYPE/ID` lists it; several times, until all are decided
    #[arg(long = "path", value_name = "PATH=mine|theirs", group = "how", value_parser = side_of_path)]
    pub(crate) paths: Vec<(Path, Side)>,
    /// Another text, in this file ("-": standard input)
    #[arg(long, value_name = "FILE", group = "how")]
    pub(crate) edited: Option<PathBuf>,
}

fn side_of_path(text: &str) -> Result<(Path, Side), String> {
    let (path, side) = text
        .rsplit_once('=')
        .ok_or("expected PATH=mine or PATH=theirs")?;
    let side = match side {
        "mine" => Side::Mine,
        "theirs" => Side::Theirs,
        _ => return Err("expected mine or theirs behind the =".into()),
    };
    let path = path.parse().map_err(|e: InvalidPath| e.to_string())?;
    Ok((path, side))
}

/// How the hub's log is written.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Log {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Vault {
    /// Make a vault; shows its recovery code once
    Create,
    /// Check files, page MACs, every record and the audit trail
    Check {
        /// Take note of changes that were found missing: they are not reported again
        #[arg(long)]
        accept_loss: bool,
    },
    /// What opens this vault
    Slots,
    /// Make another slot for the person whose slot opens
    AddSlot {
        /// Shown before the vault is opened, to whoever has the device
        #[arg(long, global = true, default_value = "", hide_default_value = true)]
        label: String,
        #[command(subcommand)]
        kind: NewSlotKind,
    },
    /// Give the records a new key, in a new file
    Rekey,
    /// Make the records' file as small as what is in it, under a new key
    Compact,
    /// Take a slot out for good
    RemoveSlot {
        /// As `vault slots` lists it
        #[arg(value_name = "ID")]
        id: String,
        #[command(flatten)]
        keep: Keep,
    },
    /// Replace the recovery code: do it after each use
    RecoveryCode {
        #[command(flatten)]
        keep: Keep,
    },
    /// Destroy the vault and everything in it
    Wipe(WipeOptions),
}

/// What stays when the root key changes: it can be wrapped anew only for secrets that are at hand.
#[derive(Debug, clap::Args)]
pub(crate) struct Keep {
    /// Keep the slot that this passphrase opens; several times, "nurse1=FILE" for another person's
    #[arg(long = "keep-passphrase-file", value_name = "[PERSON=]FILE", value_parser = of_person)]
    pub(crate) passphrases: Vec<(Person, PathBuf)>,
    /// Keep the recovery code
    #[arg(long, value_name = "FILE")]
    pub(crate) keep_recovery_code_file: Option<PathBuf>,
    /// Drop all slots whose secrets are not given along: their people must be enrolled again
    #[arg(long)]
    pub(crate) drop_absent: bool,
}

fn of_person(text: &str) -> Result<(Person, PathBuf), String> {
    match text.split_once('=') {
        Some(("", _) | (_, "")) => Err("expected FILE or PERSON=FILE".into()),
        Some((person, file)) => Ok((Person::new(person), file.into())),
        None => Ok((Person::owner(), text.into())),
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct WipeOptions {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
    /// Destroy changes that no server has, too
    #[arg(long)]
    pub(crate) lose_unsent: bool,
    /// Do not open the vault: nobody sees what is lost
    #[arg(long)]
    pub(crate) without_secret: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NewSlotKind {
    /// A passphrase
    Passphrase {
        /// Read it from a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
        /// It is to open here only, together with a key in the desktop's keyring
        #[arg(long)]
        bind_to_keyring: bool,
    },
    /// A PIN of at least six digits, together with a key in the desktop's keyring
    Pin {
        /// Read it from a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        new_pin_file: Option<PathBuf>,
    },
    /// 32 bytes in the desktop's keyring: whoever is logged in opens the vault
    Keyring,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PersonCommand {
    /// Let another person open this vault, in a role, with a passphrase of their own
    Add {
        /// Letters, digits, dots and dashes; the audit trail records it
        id: String,
        /// Such as nurse, physician, front-desk, auditor, admin
        #[arg(long)]
        role: String,
        /// Shown before the vault is opened, to whoever has the device
        #[arg(long, default_value = "", hide_default_value = true)]
        label: String,
        /// Read the passphrase from a file instead of asking for it
        #[arg(long, value_name = "FILE")]
        new_passphrase_file: Option<PathBuf>,
    },
    /// Who is in this vault
    List,
    /// Open the vault for this person from now on ("owner": for its owner)
    Switch { id: String },
    /// Let a person open this vault no longer; what they wrote stays, and is sent
    Remove {
        id: String,
        #[command(flatten)]
        keep: Keep,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// The policy in force, in words
    Show {
        /// Only this role, such as nurse
        #[arg(long)]
        role: Option<String>,
        /// The shipped policy as JSON, to begin one's own with
        #[arg(long, conflicts_with = "role")]
        raw: bool,
    },
    /// Whether a policy is sound, and what each role would gain and lose
    Check {
        /// JSON
        file: PathBuf,
    },
    /// Put a policy into force: JSON is signed with this vault's own authority, a signed text is taken as it is
    Install {
        /// JSON, or a signed policy
        file: PathBuf,
    },
}

#[derive(Debug, clap::Args)]
pub(crate) struct Audit {
    /// Check that no entry was changed, removed, inserted or moved; names the first one that does not fit
    #[arg(long, group = "instead")]
    pub(crate) verify: bool,
    /// Who saw or changed anything about this patient
    #[arg(long, value_name = "PATIENT", group = "instead")]
    pub(crate) who: Option<String>,
    /// Write the whole trail to a file ("-": standard output) as FHIR AuditEvents (IHE BALP), one a line
    #[arg(long, value_name = "FILE", group = "instead")]
    pub(crate) export: Option<PathBuf>,
    /// Only entries about this patient
    #[arg(long, value_name = "ID", conflicts_with = "instead")]
    pub(crate) patient: Option<String>,
    /// Only what this person did or handed on
    // Not `--person`: that one says whose slot opens, here as everywhere.
    #[arg(long, value_name = "ID", conflicts_with_all = ["verify", "export"])]
    pub(crate) by: Option<String>,
    /// Only this kind of act, such as read, search, written, denied; may be repeated
    #[arg(long, value_name = "KIND", conflicts_with_all = ["verify", "export"])]
    pub(crate) kind: Vec<String>,
    /// Only from this day or time on, such as 2026-11 or 2026-11-24T06:40Z
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["verify", "export"])]
    pub(crate) since: Option<String>,
    /// Only up to this day or time, itself included
    #[arg(long, value_name = "WHEN", conflicts_with_all = ["verify", "export"])]
    pub(crate) until: Option<String>,
    /// Entries of one page
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) count: u16,
    /// Go on behind the entry of this number
    #[arg(long, value_name = "NUMBER", conflicts_with_all = ["verify", "export"])]
    pub(crate) before: Option<i64>,
    /// All pages, not only the first one
    #[arg(long, conflicts_with_all = ["verify", "export"])]
    pub(crate) all: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Search {
    /// A FHIR search, such as 'Patient?name=ana&_count=10' (quoted: the shell has its own idea of ? and &)
    #[arg(value_name = "SEARCH")]
    pub(crate) query: String,
    /// Only the names, one TYPE/ID a line
    #[arg(long, conflicts_with_all = ["raw", "explain"])]
    pub(crate) ids: bool,
    /// The stored records, byte for byte, each followed by a newline
    #[arg(long, conflicts_with = "explain")]
    pub(crate) raw: bool,
    /// How the search would be answered, instead of its answer
    #[arg(long)]
    pub(crate) explain: bool,
    /// All pages, not only the first one
    #[arg(long, conflicts_with = "explain")]
    pub(crate) all: bool,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Sync {
    /// The server, such as https://fhir.example.org/r4; remembered for the next time [default: all known servers]
    pub(crate) url: Option<String>,
    /// Trust the certificate authority in this PEM file too
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) ca_file: Option<PathBuf>,
    /// Send the bearer token in this file
    #[arg(long, value_name = "FILE", requires = "url")]
    pub(crate) token_file: Option<PathBuf>,
    /// Receive the records of this patient (and the directory) only
    #[arg(long, value_name = "ID", requires = "url")]
    pub(crate) patient: Option<String>,
    /// Go on until Ctrl-C: sync now and then, and soon after each change that another command makes
    #[arg(long)]
    pub(crate) watch: bool,
    /// Seconds between two syncs
    #[arg(long, value_name = "SECONDS", default_value_t = 60, requires = "watch", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) every: u64,
}
