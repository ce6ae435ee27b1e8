//! The import itself: from paths to records.

use super::batch::{Batch, Item, Place, absolute, is_search};
use super::entry::{Head, Look, Piece};
use super::names::{Identifiers, Links, NameList, Wanted};
use super::scan::{Cut, ScanError, Scanner};
use super::source::{Source, Sources};
use super::unpack::{self, Kind, Outline};
use super::{ImportReport, LISTED, Progress, Reason, Refusal, Unresolved};
use crate::access::{AccessError, Guard, Importing};
use crate::fhir::links::{Followed, Follower, Target, with_id};
use crate::fhir::resource::MAX_BYTES;
use crate::fhir::{InvalidResource, Reference};
use std::io::{self, BufRead};
use std::path::PathBuf;

/// An import into a vault.
pub struct Import<'a> {
    /// The vault.
    pub guard: &'a Guard,
    /// Queue everything for the server, as if a person had typed it in.
    pub as_edits: bool,
    /// Gets how far it is; `false` from it stops the import, with what was read until then stored.
    pub progress: &'a mut dyn FnMut(Progress<'_>) -> bool,
}

impl Import<'_> {
    /// Imports files: NDJSON, one resource, one Bundle, each plain or packed with gzip, zstd or xz; and the files of
    /// folders.
    ///
    /// # Errors
    /// [`AccessError`] where the vault fails. What is wrong with files is in the report, and the rest goes in.
    pub fn run(self, paths: &[PathBuf]) -> Result<ImportReport, AccessError> {
        let sources = Sources::of(paths);
        let mut run = Run {
            guard: self.guard,
            how: Importing {
                as_edits: self.as_edits,
                durable: false,
                at: self.guard.now(),
            },
            progress: self.progress,
            bytes_before: 0,
            bytes_total: sources.files.iter().map(|file| file.bytes).sum(),
            read: 0,
            follower: Follower::default(),
            identifiers: Identifiers::default(),
            open: NameList::default(),
            batch: Batch::default(),
            report: ImportReport {
                ignored: sources.ignored,
                ..ImportReport::default()
            },
        };
        for (file, reason) in sources.unreadable {
            run.refuse(Refusal {
                file,
                line: None,
                entry: None,
                name: None,
                reason,
            });
        }
        for source in &sources.files {
            if run.tell(source) {
                run.file(source)?;
            }
            if run.report.stopped {
                break;
            }
            run.report.files += 1;
            run.bytes_before += source.bytes;
        }
        run.finish()
    }
}

/// An import under way.
pub(super) struct Run<'a> {
    pub(super) guard: &'a Guard,
    pub(super) how: Importing,
    progress: &'a mut dyn FnMut(Progress<'_>) -> bool,
    /// Length of the files that are done.
    bytes_before: u64,
    bytes_total: u64,
    /// Resources read.
    pub(super) read: u64,
    pub(super) follower: Follower,
    pub(super) identifiers: Identifiers,
    /// Stored records whose conditional references are tried again at the end.
    pub(super) open: NameList,
    pub(super) batch: Batch,
    pub(super) report: ImportReport,
}

/// Why a file is left before its end.
pub(super) enum Leave {
    Vault(AccessError),
    Scan(ScanError),
    /// The person stopped the import.
    Stopped,
}

impl From<AccessError> for Leave {
    fn from(error: AccessError) -> Self {
        Self::Vault(error)
    }
}

impl From<ScanError> for Leave {
    fn from(error: ScanError) -> Self {
        Self::Scan(error)
    }
}

impl Run<'_> {
    fn file(&mut self, source: &Source) -> Result<(), AccessError> {
        let (mut line, result) = (None, self.content(source));
        let reason = match result {
            Ok(()) => return Ok(()),
            Err(Leave::Vault(error)) => return Err(error),
            Err(Leave::Stopped) => {
                self.report.stopped = true;
                return Ok(());
            }
            Err(Leave::Scan(ScanError::Io(error))) => source.reason(&error),
            Err(Leave::Scan(ScanError::End)) => Reason::Incomplete,
            Err(Leave::Scan(ScanError::Syntax { line: at, column })) => {
                line = Some(at);
                let size = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
                let (line, column) = (size(at), size(column));
                InvalidResource::NotAnObject { line, column }.into()
            }
        };
        self.refuse(Refusal {
            file: source.label.clone(),
            line,
            entry: None,
            name: None,
            reason,
        });
        Ok(())
    }

    fn content(&mut self, source: &Source) -> Result<(), Leave> {
        if source.is_lines() {
            if source.is_packed().map_err(ScanError::Io)? {
                checked(source)?;
            }
            let mut scanner = opened(source)?;
            return self.lines(source, &mut scanner);
        }
        let mut scanner = opened(source)?;
        let outline = unpack::outline(&mut scanner)?;
        if source.is_packed().map_err(ScanError::Io)? {
            scanner.drain()?;
        }
        // Again from the start: what it is has been seen only now.
        let mut scanner = opened(source)?;
        if scanner.peek()?.is_none() {
            let place = place(source, None);
            self.refuse_at(&place, None, InvalidResource::Empty.into());
            return Ok(());
        }
        let first_line = scanner.line();
        let is_object = scanner.peek()? == Some(b'{');
        match outline {
            Some(outline) => self.bundle(source, &mut scanner, outline, None)?,
            None => {
                let mut text = Vec::new();
                let cut = scanner.value(MAX_BYTES, &mut text)?;
                self.value(source, cut, &text)?;
            }
        }
        let on_one_line = scanner.line() == first_line;
        match scanner.peek()? {
            None => Ok(()),
            // That it is no resource was said already.
            Some(_) if !is_object => Ok(()),
            // Lines after all, whatever the file is called.
            Some(b'{') if on_one_line => self.lines(source, &mut scanner),
            Some(_) => {
                let mut place = place(source, None);
                place.line = Some(scanner.line());
                self.refuse_at(&place, None, Reason::MoreText);
                Ok(())
            }
        }
    }

    /// One value per line. A line that cannot be used costs no other.
    fn lines<R: BufRead>(
        &mut self,
        source: &Source,
        scanner: &mut Scanner<R>,
    ) -> Result<(), Leave> {
        let mut text = Vec::new();
        let mut found = false;
        while let Some(mut cut) = scanner.rest_of_line(MAX_BYTES, &mut text)? {
            let front = text.len() - text.trim_ascii_start().len();
            if text.trim_ascii().is_empty() && cut.bytes <= MAX_BYTES as u64 {
                continue;
            }
            found = true;
            cut.column += front as u64;
            let is_whole = text.len() as u64 == cut.bytes;
            let line = text.trim_ascii();
            if is_whole {
                cut.bytes = line.len() as u64;
            }
            match unpack::outline(&mut Scanner::new(line)) {
                Ok(Some(outline)) if is_whole => {
                    self.bundle(source, &mut Scanner::new(line), outline, Some(cut))?;
                }
                _ => self.value(source, cut, line)?,
            }
        }
        if !found && self.is_first_line(scanner) {
            let place = place(source, None);
            self.refuse_at(&place, None, InvalidResource::Empty.into());
        }
        Ok(())
    }

    fn is_first_line<R: BufRead>(&self, scanner: &Scanner<R>) -> bool {
        scanner.line() == 1
    }

    /// A value that is to be one record.
    fn value(&mut self, source: &Source, cut: Cut, text: &[u8]) -> Result<(), Leave> {
        let place = place(source, Some(cut));
        if (text.len() as u64) < cut.bytes {
            let bytes = usize::try_from(cut.bytes).unwrap_or(usize::MAX);
            let name = Look::at(text).name();
            self.refuse_at(&place, name, InvalidResource::TooLarge { bytes }.into());
            return Ok(());
        }
        match std::str::from_utf8(text) {
            Ok(text) => self.take(
                source,
                Item {
                    text: text.to_owned(),
                    place,
                    name: None,
                    is_open: false,
                },
            ),
            Err(error) => {
                let at = error.valid_up_to();
                self.refuse_at(&place, None, InvalidResource::NotUtf8 { at }.into());
                Ok(())
            }
        }
    }

    /// A Bundle that is taken apart. `within`: the line it stands on, where it is one of several.
    fn bundle<R: BufRead>(
        &mut self,
        source: &Source,
        scanner: &mut Scanner<R>,
        outline: Outline,
        within: Option<Cut>,
    ) -> Result<(), Leave> {
        let place_of = |number, cut: Cut| {
            let mut place = place(source, Some(within.unwrap_or(cut)));
            place.entry = number;
            place
        };
        if let Some((entry, reason)) = outline.unusable {
            let mut place = place(source, within);
            place.entry = entry;
            self.refuse_at(&place, None, reason);
            // To its end, for what may stand behind it.
            scanner.value(0, &mut Vec::new())?;
            return Ok(());
        }
        unpack::each_entry(scanner, |piece: Piece<'_>| {
            let place = place_of(Some(piece.number), piece.cut);
            self.entry(source, &outline.links, outline.kind, piece, place)
        })
    }

    fn entry(
        &mut self,
        source: &Source,
        links: &Links,
        kind: Kind,
        piece: Piece<'_>,
        place: Place,
    ) -> Result<(), Leave> {
        let (number, bytes) = (piece.number, piece.bytes);
        let judged = Head::read(&piece).and_then(|head| head.judge(kind, number));
        let judged = match judged {
            Ok(judged) => judged,
            Err(mut reason) => {
                if let Reason::Resource(InvalidResource::NotAnObject { line, column }) = &mut reason
                {
                    let (new_line, new_column) = absolute(&place, *line, *column);
                    (*line, *column) = (new_line, new_column);
                }
                self.refuse_at(&place, Look::in_entry(bytes).name(), reason);
                return Ok(());
            }
        };
        let made = judged
            .made_id
            .as_ref()
            .and_then(|id| with_id(judged.text, id.as_str()));
        let text = made.as_deref().unwrap_or(judged.text);
        let Followed {
            text,
            lost_urns,
            lost_searches,
        } = self.follow(text, links, kind)?;
        let item = Item {
            text: text.into_owned(),
            place,
            name: judged.name,
            is_open: lost_searches > 0,
        };
        if let (Some(name), 1..) = (&item.name, lost_urns) {
            self.unresolved(name.clone(), lost_urns);
        }
        self.take(source, item)
    }

    /// The text with its links exchanged, as far as they lead somewhere by now.
    fn follow<'t>(
        &mut self,
        text: &'t str,
        links: &Links,
        kind: Kind,
    ) -> Result<Followed<'t>, AccessError> {
        loop {
            let mut uncovered = Vec::new();
            let followed = self.follower.follow(text, |link| {
                if !link.contains('?') {
                    return links.get(link).map_or(Target::Nowhere, Target::Record);
                }
                // Only transactions and batches have conditional references (R4 http.html).
                if kind == Kind::Set || !is_search(link) {
                    return Target::Same;
                }
                let Some(wanted) = Wanted::parse(link) else {
                    return Target::Nowhere;
                };
                if !self.identifiers.covers(wanted.kind) {
                    uncovered.push(wanted.kind);
                }
                self.identifiers
                    .get(&wanted)
                    .map_or(Target::Nowhere, Target::Record)
            });
            if uncovered.is_empty() {
                return Ok(followed);
            }
            for kind in uncovered {
                self.cover(kind)?;
            }
        }
    }

    pub(super) fn tell(&mut self, source: &Source) -> bool {
        // Most files are read twice.
        let is_read_once = source.is_lines() && !source.is_packed().unwrap_or(false);
        let read = if is_read_once {
            source.bytes_read()
        } else {
            source.bytes_read() / 2
        };
        let goes_on = (self.progress)(Progress {
            file: &source.label,
            bytes_done: self.bytes_before + read.min(source.bytes),
            bytes_total: self.bytes_total,
            resources: self.read,
        });
        self.report.stopped |= !goes_on;
        goes_on
    }

    pub(super) fn refuse_at(&mut self, place: &Place, name: Option<Reference>, reason: Reason) {
        self.refuse(Refusal {
            file: place.file.clone(),
            line: place.line,
            entry: place.entry,
            name,
            reason,
        });
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.report.refused += 1;
        if self.report.refusals.len() < LISTED {
            self.report.refusals.push(refusal);
        }
    }

    pub(super) fn unresolved(&mut self, name: Reference, references: u64) {
        self.report.unresolved_references += references;
        if self.report.unresolved.len() < LISTED {
            self.report.unresolved.push(Unresolved { name, references });
        }
    }
}

fn opened(source: &Source) -> Result<Scanner<Box<dyn BufRead>>, ScanError> {
    let mut scanner = Scanner::new(source.open()?);
    scanner.skip_mark()?;
    Ok(scanner)
}

/// Reads a packed file to its end, where its checksum stands: what is damaged must not go in line by line until the
/// damage shows. One that is only cut off is right as far as it goes.
fn checked(source: &Source) -> Result<(), ScanError> {
    match Scanner::new(source.open()?).drain() {
        Err(ScanError::Io(error)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(()),
        other => other,
    }
}

fn place(source: &Source, cut: Option<Cut>) -> Place {
    Place {
        file: source.label.clone(),
        line: cut.map(|cut| cut.line),
        column: cut.map_or(0, |cut| cut.column),
        entry: None,
    }
}
