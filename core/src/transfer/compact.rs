//! One resource on one line: its tokens as they are, without the white space between them.

/// `text`, which must be valid JSON, without white space outside strings.
pub(super) fn compact(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        // Up to the next string; numbers and brackets have no inner white space.
        let string = memchr::memchr(b'"', &bytes[at..]).map_or(bytes.len(), |found| at + found);
        out.extend(
            text[at..string]
                .split([' ', '\t', '\r', '\n'])
                .filter(|piece| !piece.is_empty()),
        );
        let mut end = (string + 1).min(bytes.len());
        while let Some(found) = bytes
            .get(end..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            end += found + 1;
            if bytes[end - 1] == b'"' {
                break;
            }
            end += 1;
        }
        out.push_str(text.get(string..end).unwrap_or_default());
        at = end.max(string);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::compact;
    use proptest::prelude::*;

    #[test]
    fn tokens_stay_and_white_space_goes() {
        let text = "\n{ \"a b\" :\t[ 1.00 , -0E+5,\r\n true , null ], \"c\\\" \\\\\" : \" x \\n\", \"é \" : {} } ";
        let want = "{\"a b\":[1.00,-0E+5,true,null],\"c\\\" \\\\\":\" x \\n\",\"é \":{}}";
        assert_eq!(compact(text), want);
        assert_eq!(compact(want), want);
        assert_eq!(compact(""), "");
    }

    proptest! {
        /// The same tokens in the same order, however they were spaced.
        #[test]
        fn any_spacing_gives_the_same(
            tokens in prop::collection::vec(prop_oneof![
                Just("{".to_owned()), Just("]".to_owned()), Just("1.00".to_owned()),
                "\\PC{0,6}".prop_map(|s| crate::fhir::json::quoted(&s))
            ], 0..12),
            spaces in prop::collection::vec("[ \t\r\n]{0,3}", 12)
        ) {
            let spaced: String = tokens.iter().zip(&spaces).map(|(token, space)| format!("{space}{token}")).collect();
            prop_assert_eq!(compact(&spaced), tokens.concat());
        }
    }
}
