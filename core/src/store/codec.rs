//! Stored texts: zstd with its content checksum.
//!
//! The checksum is not for compression's sake. SQLCipher can hand out a row whose last page failed its MAC as if
//! nothing had happened (zeros where the text was); the checksum is what notices. zstd allocates through Rust's
//! allocator here, so that what it leaves in memory is wiped with the rest.

use super::StoreError;
use crate::fhir::resource::MAX_BYTES;
use zstd::bulk::{Compressor, Decompressor};
use zstd::zstd_safe::CParameter;

const LEVEL: i32 = 3;
/// A server splices its meta into what it stores: a little more than a resource may have.
const MAX_UNPACKED_BYTES: usize = MAX_BYTES + 4096;

/// Packs and unpacks; holds its working memory, so keep one per connection.
pub(super) struct Codec {
    compressor: Compressor<'static>,
    decompressor: Decompressor<'static>,
}

impl Codec {
    pub(super) fn new() -> Result<Self, StoreError> {
        let mut compressor = Compressor::new(LEVEL).map_err(|_| StoreError::Codec)?;
        compressor
            .set_parameter(CParameter::ChecksumFlag(true))
            .map_err(|_| StoreError::Codec)?;
        compressor
            .set_parameter(CParameter::ContentSizeFlag(true))
            .map_err(|_| StoreError::Codec)?;
        Ok(Self {
            compressor,
            decompressor: Decompressor::new().map_err(|_| StoreError::Codec)?,
        })
    }

    pub(super) fn pack(&mut self, text: &str) -> Result<Vec<u8>, StoreError> {
        self.compressor
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
            .decompressor
            .decompress(packed, length)
            .map_err(|_| damaged())?;
        if bytes.len() != length {
            return Err(damaged());
        }
        String::from_utf8(bytes).map_err(|_| damaged())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_no_flipped_bit_passes() {
        let mut codec = Codec::new().unwrap();
        for text in ["", "{}", &"{\"v\":1.00, \"w\":\"Zo\u{eb}\"}".repeat(500)] {
            let packed = codec.pack(text).unwrap();
            assert_eq!(codec.unpack(&packed, "body", 1).unwrap(), text);
            for at in 0..packed.len() {
                for bit in 0..8 {
                    let mut bad = packed.clone();
                    bad[at] ^= 1 << bit;
                    // A bit that zstd does not read (a reserved one) may change nothing; it never changes the text.
                    if let Ok(other) = codec.unpack(&bad, "body", 1) {
                        assert_eq!(other, text, "byte {at} bit {bit}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_zeroed_tail_is_noticed() {
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
    }

    #[test]
    fn a_bomb_is_refused_by_its_stated_length() {
        let mut codec = Codec::new().unwrap();
        let bomb = zstd::bulk::compress(&vec![b' '; MAX_UNPACKED_BYTES + 1], 3).unwrap();
        assert!(codec.unpack(&bomb, "body", 1).is_err());
    }
}
