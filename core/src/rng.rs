//! Randomness from the operating system, asked anew each time: a pool in the process repeats itself after a fork.

/// The operating system gave no randomness. Nothing is made without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no randomness")]
pub struct NoRandomness;

/// Fills `out`.
///
/// # Errors
/// [`NoRandomness`].
pub fn fill(out: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(out).map_err(|_| NoRandomness)
}

/// `N` random bytes.
///
/// # Errors
/// [`NoRandomness`].
pub fn make_bytes<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut out = [0; N];
    fill(&mut out)?;
    Ok(out)
}

/// A random (version 4) UUID in its usual form: the ids of new records and changes.
///
/// # Errors
/// [`NoRandomness`].
pub fn make_uuid() -> Result<String, NoRandomness> {
    Ok(uuid::Builder::from_random_bytes(make_bytes()?)
        .into_uuid()
        .hyphenated()
        .to_string())
}
