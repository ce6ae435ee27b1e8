//! Finding the end of a JSON value, whatever pieces its bytes come in.
//!
//! Brackets and strings are all that is looked at: whoever cuts a value out has it checked by whoever reads it. Nothing
//! recurses, whatever the nesting.

use memchr::memchr2;

/// Where a walk over a string, object or array stands.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    depth: u64,
    in_string: bool,
    /// The byte before was a backslash.
    escaped: bool,
}

impl Walk {
    /// How many bytes of `buffer` belong to the value, and whether it ends there.
    pub(crate) fn over(&mut self, buffer: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while at < buffer.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
            } else if self.in_string {
                let Some(found) = memchr2(b'"', b'\\', &buffer[at..]) else {
                    return (buffer.len(), false);
                };
                at += found + 1;
                self.escaped = buffer[at - 1] == b'\\';
                self.in_string = self.escaped;
                if !self.in_string && self.depth == 0 {
                    return (at, true);
                }
            } else {
                match buffer[at] {
                    b'"' => self.in_string = true,
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                at += 1;
                if self.depth == 0 && !self.in_string {
                    return (at, true);
                }
            }
        }
        (at, false)
    }

    /// How many objects and arrays are open.
    pub(crate) fn depth(&self) -> u64 {
        self.depth
    }
}

/// How many bytes of `buffer` belong to a number, `true`, `false` or `null`, and whether it ends there.
pub(crate) fn over_literal(buffer: &[u8]) -> (usize, bool) {
    let ends = |byte: &u8| is_space(*byte) || matches!(byte, b',' | b'}' | b']');
    let end = buffer.iter().position(ends);
    (end.unwrap_or(buffer.len()), end.is_some())
}

/// JSON's white space.
pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
