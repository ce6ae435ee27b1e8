//! What must never be on the surface: a yes or no in place of a key, and a key as it is.
//!
//! A `bool` that says "unlocked" invites an app to guard data by an `if`, and an attacker to turn it. Records open because a
//! key was released, and for no other reason. And a key that crosses lies in the app's heap, where nobody wipes it.

/// Whether a value comes out of the library or goes into it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A field, or what a call answers.
    Got,
    /// An argument.
    Given,
}

/// A name of the surface with its type.
#[derive(Clone, Debug)]
pub(crate) struct Named {
    /// Where it stands, such as `record SlotInfo`.
    pub(crate) place: String,
    /// Its name: of a field, of an argument, or of the call that answers with it.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The type as the snapshot writes it.
    pub(crate) kind: String,
}

/// Words that make a `bool` an answer to "may I see the records?".
const GATE_WORDS: [&str; 9] = [
    "unlocked",
    "locked",
    "authenticated",
    "authorised",
    "authorized",
    "authentic",
    "granted",
    "unlock",
    "authenticate",
];
/// Words of keys. With `public` beside it a key is no secret.
const KEY_WORDS: [&str; 6] = ["key", "keys", "dek", "kek", "seed", "keyset"];
/// What is named like a key and opens no record, with the reason.
const NO_KEY_OF_OURS: [(&str, &str); 1] = [
    // FHIR's own `virtualService.sessionKey`: what a video service asks its caller for.
    ("record VisitLink", "session_key"),
];

/// What is wrong with the named things, one sentence each; nothing when all is well.
///
/// A key as bytes is one wherever the word stands (`key_bytes`); as text only at the end, since `key_agreement` is a method.
pub(crate) fn forbidden(named: &[Named]) -> Vec<String> {
    named.iter().filter_map(judge).collect()
}

fn judge(named: &Named) -> Option<String> {
    let lower = named.name.to_lowercase();
    let words: Vec<&str> = lower.split('_').collect();
    let has = |list: &[&str]| words.iter().any(|word| list.contains(word));
    let kind = named.kind.trim_end_matches('?');
    let (place, name) = (&named.place, &named.name);
    if has(&GATE_WORDS) && kind == "bool" {
        return Some(format!(
            "{place}: `{name}: bool` is a yes or no where only a released key may open records"
        ));
    }
    let bytes = kind.contains("bytes") || kind.contains("[u8]");
    let text = kind.contains("string") && words.last().is_some_and(|last| KEY_WORDS.contains(last));
    let ours =
        !words.contains(&"public") && !NO_KEY_OF_OURS.contains(&(place.as_str(), name.as_str()));
    if ours && (text || bytes && has(&KEY_WORDS)) {
        let way = match named.role {
            Role::Got => "leaves the library",
            Role::Given => "is handed in",
        };
        return Some(format!(
            "{place}: `{name}: {kind}` is a raw key that {way}; keys stay inside"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str, kind: &str) -> Named {
        Named {
            place: "record Probe".to_owned(),
            name: name.to_owned(),
            role: Role::Got,
            kind: kind.to_owned(),
        }
    }

    #[test]
    fn a_yes_or_no_in_place_of_a_key_is_named() {
        for name in ["unlocked", "is_unlocked", "user_authenticated", "is_locked"] {
            for kind in ["bool", "bool?"] {
                let said = forbidden(&[named(name, kind)]);
                assert_eq!(said.len(), 1, "{name}: {kind}");
                assert!(said[0].contains(name), "{said:?}");
            }
        }
    }

    #[test]
    fn a_raw_key_is_named_whichever_way_it_goes() {
        for (name, kind) in [
            ("key", "bytes"),
            ("root_key", "bytes?"),
            ("device_key", "[u8]"),
            ("data_keys", "[bytes]"),
            ("kek", "string"),
            ("key_bytes", "bytes"),
            // Only the visit's link may have this name.
            ("session_key", "string"),
        ] {
            let mut one = named(name, kind);
            assert_eq!(forbidden(&[one.clone()]).len(), 1, "{name}: {kind}");
            one.role = Role::Given;
            assert!(forbidden(&[one])[0].contains("handed in"));
        }
    }

    #[test]
    fn what_only_sounds_alike_is_left_alone() {
        let fine = [
            named("lock_state", "LockState"),
            named("public_key", "string"),
            named("key_agreement", "string"),
            named("sealed", "bytes"),
            named("is_cancelled", "bool"),
            named("unlocked_at", "string"),
            named("monkey", "string"),
            named("keys", "u32"),
        ];
        assert_eq!(forbidden(&fine), Vec::<String>::new());
    }
}
