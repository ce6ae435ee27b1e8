//! Stored texts: zstd with its content checksum.
//!
//! The checksum is not for compression's sake. SQLCipher can hand out a row whose last page failed its MAC as if
//! nothing had happened (zeros where the text was); the checksum is what notices, in a dictionary too. zstd allocates
//! through Rust's allocator here, so that what it leaves in memory is wiped with the rest.

use super::StoreError;
use crate::fhir::resource::MAX_BYTES;
use std::collections::HashMap;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

const LEVEL: i32 = 3;
/// A server splices its meta into what it stores: a little more than a resource may have.
const MAX_UNPACKED_BYTES: usize = MAX_BYTES + 4096;

/// Packs and unpacks; holds its working memory, so keep one per connection.
pub(super) struct Codec {
    plain: Pair,
    /// By the number of the dictionary, as far as they were needed.
    with: HashMap<i64, Pair>,
}

struct Pair {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

impl Pair {
    fn new(dictionary: &[u8]) -> Result<Self, StoreError> {
        let failed = |_| StoreError::Codec;
        let mut compressor = Compressor::with_dictionary(LEVEL, dictionary).map_err(failed)?;
        compressor
            .set_parameter(CParameter::ChecksumFlag(true))
            .map_err(failed)?;
        compressor
            .set_parameter(CParameter::ContentSizeFlag(true))
            .map_err(failed)?;
        Ok(Self {
            compressor,
            decompressor: Decompressor::with_dictionary(dictionary).map_err(failed)?,
        })
    }
}

impl Codec {
    pub(super) fn new() -> Result<Self, StoreError> {
        Ok(Self {
            plain: Pair::new(&[])?,
            with: HashMap::new(),
        })
    }

    /// Whether [`Codec::load`] was called for this dictionary.
    pub(super) fn has(&self, dictionary: i64) -> bool {
        dictionary == 0 || self.with.contains_key(&dictionary)
    }

    /// Makes a dictionary known under its number.
    pub(super) fn load(&mut self, dictionary: i64, content: &[u8]) -> Result<(), StoreError> {
        self.with.insert(dictionary, Pair::new(content)?);
        Ok(())
    }

    /// Forgets dictionaries: the transaction that made one was rolled back, and its number may be given again.
    pub(super) fn forget_dictionaries(&mut self) {
        self.with.clear();
    }

    /// Packs without a dictionary: for what must outlive every dictionary.
    pub(super) fn pack(&mut self, text: &str) -> Result<Vec<u8>, StoreError> {
        self.pack_with(0, text)
    }

    /// Packs with a loaded dictionary; 0: without.
    pub(super) fn pack_with(&mut self, dictionary: i64, text: &str) -> Result<Vec<u8>, StoreError> {
        let pair = self.pair(dictionary)?;
        pair.compressor
            .compress(text.as_bytes())
            .map_err(|_| StoreError::Codec)
    }

    /// The text; `what` and `row` name it when its check fails.
    pub(super) fn unpack(
        &mut self,
        packed: &[u8],
        what: &'static str,
        row: i64,
    ) -> Result<String, StoreError> {
        self.unpack_with(0, packed, what, row)
    }

    /// As [`Codec::unpack`], with the dictionary it was packed with.
    pub(super) fn unpack_with(
        &mut self,
        dictionary: i64,
        packed: &[u8],
        what: &'static str,
        row: i64,
    ) -> Result<String, StoreError> {
        let damaged = || StoreError::DamagedValue { what, row };
        let length = zstd::zstd_safe::get_frame_content_size(packed)
            .ok()
            .flatten()
            .ok_or_else(damaged)?;
        let length = usize::try_from(length)
            .ok()
            .filter(|l| *l <= MAX_UNPACKED_BYTES)
            .ok_or_else(damaged)?;
        let bytes = self
            .pair(dictionary)?
            .decompressor
            .decompress(packed, length)
            .map_err(|_| damaged())?;
        if bytes.len() != length {
            return Err(damaged());
        }
        String::from_utf8(bytes).map_err(|_| damaged())
    }

    fn pair(&mut self, dictionary: i64) -> Result<&mut Pair, StoreError> {
        match dictionary {
            0 => Ok(&mut self.plain),
            other => self.with.get_mut(&other).ok_or(StoreError::Codec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_no_flipped_bit_passes() {
        let mut codec = Codec::new().unwrap();
        codec
            .load(7, b"{\"v\":1.00, \"w\":\"Zo\xc3\xab\"} and so on")
            .unwrap();
        for dictionary in [0, 7] {
            for text in ["", "{}", &"{\"v\":1.00, \"w\":\"Zo\u{eb}\"}".repeat(300)] {
                let packed = codec.pack_with(dictionary, text).unwrap();
                assert_eq!(
                    codec.unpack_with(dictionary, &packed, "body", 1).unwrap(),
                    text
                );
                for at in 0..packed.len() {
                    for bit in 0..8 {
                        let mut bad = packed.clone();
                        bad[at] ^= 1 << bit;
                        // A bit that zstd does not read (a reserved one) may change nothing; it never changes the text.
                        if let Ok(other) = codec.unpack_with(dictionary, &bad, "body", 1) {
                            assert_eq!(other, text, "byte {at} bit {bit}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn a_zeroed_tail_is_noticed_in_text_and_dictionary() {
        let mut codec = Codec::new().unwrap();
        let text: String = (0..5000_u32)
            .map(|n| char::from(b'a' + u8::try_from(n * n % 26).unwrap()))
            .collect();
        let mut packed = codec.pack(&text).unwrap();
        let length = packed.len();
        packed[length / 2..].fill(0);
        assert!(matches!(
            codec.unpack(&packed, "body", 7),
            Err(StoreError::DamagedValue {
                what: "body",
                row: 7
            })
        ));
        assert!(codec.unpack(&packed[..10], "body", 7).is_err());

        let mut dictionary = text.clone().into_bytes();
        codec.load(3, &dictionary).unwrap();
        let packed = codec.pack_with(3, &text).unwrap();
        dictionary[2500..].fill(0);
        codec.load(4, &dictionary).unwrap();
        assert!(
            codec.unpack_with(4, &packed, "body", 7).is_err(),
            "another dictionary gives no other text"
        );
        assert!(codec.unpack_with(0, &packed, "body", 7).is_err());
        assert!(codec.unpack_with(5, &packed, "body", 7).is_err());
    }

    #[test]
    fn a_bomb_is_refused_by_its_stated_length() {
        let mut codec = Codec::new().unwrap();
        let bomb = zstd::bulk::compress(&vec![b' '; MAX_UNPACKED_BYTES + 1], 3).unwrap();
        assert!(codec.unpack(&bomb, "body", 1).is_err());
    }
}
