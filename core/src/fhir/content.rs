//! Whether two texts say the same: the question after a push whose answer was lost.

use serde_json::Value;

/// Whether two resources are equal as FHIR values, apart from what a server sets (`meta.versionId`,
/// `meta.lastUpdated`). Member order and white space do not count; `1.0` and `1.00` differ, since FHIR decimals keep
/// their precision. Text that is no JSON equals nothing.
pub fn is_same(a: &str, b: &str) -> bool {
    match (without_server_meta(a), without_server_meta(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

fn without_server_meta(text: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object_mut()?;
    if let Some(meta) = object.get_mut("meta").and_then(Value::as_object_mut) {
        meta.remove("versionId");
        meta.remove("lastUpdated");
        if meta.is_empty() {
            object.remove("meta");
        }
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn order_space_and_server_meta_do_not_count() {
        let mine = r#"{"resourceType":"Patient","id":"a","n":1.00}"#;
        let theirs = r#"{ "id":"a","resourceType":"Patient","meta":{"versionId":"4","lastUpdated":"x"},"n":1.00 }"#;
        assert!(is_same(mine, theirs));
    }

    #[test]
    fn content_counts() {
        let mine = r#"{"resourceType":"Patient","id":"a","n":1.00}"#;
        for other in [
            r#"{"resourceType":"Patient","id":"a","n":1.0}"#,
            r#"{"resourceType":"Patient","id":"a","n":1.00,"m":null}"#,
            r#"{"resourceType":"Patient","id":"a","n":1.00,"meta":{"tag":[]}}"#,
            "not JSON",
        ] {
            assert!(!is_same(mine, other), "{other}");
        }
        assert!(!is_same("not JSON", "not JSON"));
    }
}
