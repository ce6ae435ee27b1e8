//! Cutting JSON into values as it streams by.
//!
//! A Bundle may be larger than memory, so nothing here holds more than the value at hand. Brackets and strings are all
//! that is looked at: a piece that was cut out is checked by whoever reads it. Nothing recurses, whatever the nesting.

use crate::fhir::walk::{Walk, is_space, over_literal};
use memchr::{memchr_iter, memrchr};
use std::io::{self, BufRead};

/// Walks over JSON text.
pub(super) struct Scanner<R> {
    reader: R,
    /// 1-based line and 0-based column of the next byte.
    line: u64,
    column: u64,
}

/// Why the walk ended.
#[derive(Debug)]
pub(super) enum ScanError {
    /// The source.
    Io(io::Error),
    /// This byte cannot stand here.
    Syntax { line: u64, column: u64 },
    /// The source ends inside a value.
    End,
}

impl From<io::Error> for ScanError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A value that was cut out, or the front of one that was too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cut {
    /// Line of its first byte.
    pub(super) line: u64,
    /// Column of its first byte.
    pub(super) column: u64,
    /// Its length, of which no more than the limit was kept.
    pub(super) bytes: u64,
}

impl<R: BufRead> Scanner<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: 1,
            column: 0,
        }
    }

    /// Line of the next byte.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next byte that is not white space; `None` at the end.
    pub(super) fn peek(&mut self) -> Result<Option<u8>, ScanError> {
        loop {
            let buffer = filled(&mut self.reader)?;
            let Some(at) = buffer.iter().position(|b| !is_space(*b)) else {
                let length = buffer.len();
                if length == 0 {
                    return Ok(None);
                }
                self.consume(length);
                continue;
            };
            let byte = buffer[at];
            self.consume(at);
            return Ok(Some(byte));
        }
    }

    /// Skips a byte order mark.
    pub(super) fn skip_mark(&mut self) -> Result<(), ScanError> {
        if filled(&mut self.reader)?.starts_with(b"\xef\xbb\xbf") {
            self.reader.consume(3);
        }
        Ok(())
    }

    /// Steps over `byte` and the white space before it, if it is the next one.
    pub(super) fn step(&mut self, byte: u8) -> Result<bool, ScanError> {
        let is_next = self.peek()? == Some(byte);
        if is_next {
            self.consume(1);
        }
        Ok(is_next)
    }

    /// The name of the next member into `name`, up to the value. `false`: the object has ended. `first` is true before the
    /// first member.
    pub(super) fn member(
        &mut self,
        name: &mut Vec<u8>,
        first: &mut bool,
    ) -> Result<bool, ScanError> {
        if !self.separator(b'}', first)? {
            return Ok(false);
        }
        if self.peek()? != Some(b'"') {
            return Err(self.syntax());
        }
        self.value(usize::MAX, name)?;
        if self.step(b':')? {
            Ok(true)
        } else {
            Err(self.syntax())
        }
    }

    /// Steps to the next item of an array. `false`: it has ended. `first` is true before the first item.
    pub(super) fn item(&mut self, first: &mut bool) -> Result<bool, ScanError> {
        self.separator(b']', first)
    }

    fn separator(&mut self, end: u8, first: &mut bool) -> Result<bool, ScanError> {
        match self.peek()? {
            None => Err(ScanError::End),
            Some(byte) if byte == end => {
                self.consume(1);
                Ok(false)
            }
            Some(b',') if !*first => {
                self.consume(1);
                Ok(true)
            }
            Some(_) if *first => {
                *first = false;
                Ok(true)
            }
            Some(_) => Err(self.syntax()),
        }
    }

    /// Cuts the next value out into `out`, of which no more than `limit` bytes are kept.
    pub(super) fn value(&mut self, limit: usize, out: &mut Vec<u8>) -> Result<Cut, ScanError> {
        out.clear();
        let first = self.peek()?.ok_or(ScanError::End)?;
        let mut cut = Cut {
            line: self.line,
            column: self.column,
            bytes: 0,
        };
        let mut walk = Walk::default();
        let is_literal = !matches!(first, b'"' | b'{' | b'[');
        if matches!(first, b',' | b':' | b'}' | b']') {
            return Err(self.syntax());
        }
        loop {
            let buffer = filled(&mut self.reader)?;
            if buffer.is_empty() {
                return if is_literal {
                    Ok(cut)
                } else {
                    Err(ScanError::End)
                };
            }
            let (taken, ended) = if is_literal {
                over_literal(buffer)
            } else {
                walk.over(buffer)
            };
            let kept = taken.min(limit.saturating_sub(out.len()));
            out.extend_from_slice(&buffer[..kept]);
            cut.bytes += u64::try_from(taken).unwrap_or(u64::MAX);
            self.consume(taken);
            if ended {
                return Ok(cut);
            }
        }
    }

    /// Cuts the rest of the line out, without its end. `None` when nothing is left.
    pub(super) fn rest_of_line(
        &mut self,
        limit: usize,
        out: &mut Vec<u8>,
    ) -> Result<Option<Cut>, ScanError> {
        out.clear();
        let mut cut = Cut {
            line: self.line,
            column: self.column,
            bytes: 0,
        };
        loop {
            let buffer = filled(&mut self.reader)?;
            if buffer.is_empty() {
                return Ok((cut.bytes > 0).then_some(cut));
            }
            let end = memchr::memchr(b'\n', buffer);
            let taken = end.unwrap_or(buffer.len());
            let kept = taken.min(limit.saturating_sub(out.len()));
            out.extend_from_slice(&buffer[..kept]);
            cut.bytes += u64::try_from(taken).unwrap_or(u64::MAX);
            self.consume(taken + usize::from(end.is_some()));
            if end.is_some() {
                return Ok(Some(cut));
            }
        }
    }

    /// Reads to the end of the source.
    pub(super) fn drain(&mut self) -> Result<(), ScanError> {
        loop {
            let length = filled(&mut self.reader)?.len();
            if length == 0 {
                return Ok(());
            }
            self.reader.consume(length);
        }
    }

    /// The next byte cannot stand where it stands.
    pub(super) fn syntax(&self) -> ScanError {
        ScanError::Syntax {
            line: self.line,
            column: self.column,
        }
    }

    fn consume(&mut self, bytes: usize) {
        let buffer = self.reader.fill_buf().unwrap_or_default();
        let passed = &buffer[..bytes.min(buffer.len())];
        let length = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        if let Some(last) = memrchr(b'\n', passed) {
            self.line += length(memchr_iter(b'\n', passed).count());
            self.column = length(passed.len() - last - 1);
        } else {
            self.column += length(passed.len());
        }
        self.reader.consume(bytes);
    }
}

impl<'a> Scanner<&'a [u8]> {
    /// What was not walked over yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.reader
    }
}

/// `fill_buf` that goes on after an interruption.
fn filled<R: BufRead>(reader: &mut R) -> io::Result<&[u8]> {
    loop {
        match reader.fill_buf() {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
            Ok(_) => break,
        }
    }
    reader.fill_buf()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::BufReader;

    fn cut(text: &str, buffer: usize, limit: usize) -> (String, u64, Option<u8>) {
        let mut scanner = Scanner::new(BufReader::with_capacity(buffer, text.as_bytes()));
        let mut out = Vec::new();
        let cut = scanner.value(limit, &mut out).unwrap();
        let next = scanner.peek().unwrap();
        (String::from_utf8(out).unwrap(), cut.bytes, next)
    }

    #[test]
    fn values_end_where_they_end_whatever_the_buffer() {
        for value in [
            "1.00",
            "null",
            r#""a\\\"b}\\""#,
            r#"{"a":"}\"]","b":[{},"\\"]}"#,
            "[]",
            r#"[[{"x":[1, 2]}]]"#,
        ] {
            for buffer in 1..12 {
                let text = format!(" \n{value} ,x");
                assert_eq!(
                    cut(&text, buffer, 99),
                    (value.into(), value.len() as u64, Some(b',')),
                    "{buffer}"
                );
                assert_eq!(cut(&text, buffer, 2).0, value[..2]);
            }
        }
    }

    #[test]
    fn places_are_counted() {
        let mut scanner = Scanner::new(BufReader::with_capacity(2, "{\n \n  \"a\" x".as_bytes()));
        let (mut out, mut first) = (Vec::new(), true);
        assert!(scanner.step(b'{').unwrap());
        let error = scanner.member(&mut out, &mut first).unwrap_err();
        assert!(
            matches!(error, ScanError::Syntax { line: 3, column: 6 }),
            "{error:?}"
        );
    }

    #[test]
    fn cut_off_and_misplaced() {
        let ends = |text: &str| {
            let mut scanner = Scanner::new(text.as_bytes());
            scanner.value(9, &mut Vec::new()).unwrap_err()
        };
        for text in ["", " ", "{", "[1,", "\"a", r#""a\""#, r#"{"a":"}"#] {
            assert!(matches!(ends(text), ScanError::End), "{text}");
        }
        for text in [",", "}", "]", ":"] {
            assert!(matches!(ends(text), ScanError::Syntax { .. }), "{text}");
        }
    }

    #[test]
    fn nesting_costs_nothing() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(cut(&deep, 4096, 3).1, 2_000_000);
    }

    #[test]
    fn lines_are_cut_with_and_without_an_end() {
        let mut scanner = Scanner::new(BufReader::with_capacity(3, "abcd\n\nxy".as_bytes()));
        let mut out = Vec::new();
        let mut seen = Vec::new();
        while let Some(cut) = scanner.rest_of_line(2, &mut out).unwrap() {
            seen.push((cut.line, cut.bytes, String::from_utf8(out.clone()).unwrap()));
        }
        assert_eq!(
            seen,
            [
                (1, 4, "ab".into()),
                (2, 0, String::new()),
                (3, 2, "xy".into())
            ]
        );
    }

    proptest! {
        /// Whatever serde_json takes is cut out whole.
        #[test]
        fn agrees_with_serde(text in r#"[\[\]{}",:\\ a1]{0,24}"#, buffer in 1_usize..9) {
            if serde_json::from_str::<serde_json::Value>(&text).is_ok() {
                let mut scanner = Scanner::new(BufReader::with_capacity(buffer, text.as_bytes()));
                let mut out = Vec::new();
                scanner.value(usize::MAX, &mut out).unwrap();
                prop_assert_eq!(String::from_utf8(out).unwrap(), text.trim_matches(|c| " \t\r\n".contains(c)));
                prop_assert_eq!(scanner.peek().unwrap(), None);
            }
        }
    }
}
