// What a slot of finger or face keeps in the vault's header.

import Foundation

/// A secret that only the Secure Enclave opens, beside the mark of the fingers or face it was made under.
///
/// One byte of version, one byte of length, the mark, the rest is sealed. Nothing of it is secret; the vault's header
/// authenticates it.
struct SealedSecret: Equatable {
    private static let version: UInt8 = 1

    let biometry: Data
    let sealed: Data

    init(biometry: Data, sealed: Data) {
        self.biometry = biometry
        self.sealed = sealed
    }

    /// `nil` where the bytes are not of this form, as those of another platform's gate are not.
    init?(bytes: Data) {
        let bytes = [UInt8](bytes)
        guard bytes.count > 2, bytes[0] == Self.version else { return nil }
        let rest = bytes.dropFirst(2)
        guard rest.count > Int(bytes[1]) else { return nil }
        biometry = Data(rest.prefix(Int(bytes[1])))
        sealed = Data(rest.dropFirst(Int(bytes[1])))
    }

    /// `nil` where the mark is longer than any that a system gives (32 bytes today, 255 fit).
    var bytes: Data? {
        guard let length = UInt8(exactly: biometry.count) else { return nil }
        return Data([Self.version, length]) + biometry + sealed
    }
}
