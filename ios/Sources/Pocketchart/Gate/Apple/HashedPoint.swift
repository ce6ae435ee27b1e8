// A point of P-256 made of bytes. Compiled on Apple's systems only: docs/devices.md.

#if canImport(Security) && canImport(LocalAuthentication)
import CryptoKit
import Foundation

/// The first point whose x is the hash of a counter and the input ("try and increment"), of the two the one with the
/// smaller y.
///
/// What it must give is that nobody knows the point's logarithm: then the Diffie-Hellman result says nothing about the
/// result for another input. RFC 9380's map (SSWU) gives the same and takes the same time for every input; it needs
/// arithmetic modulo p, which CryptoKit does not offer and which would be a few hundred lines of ours. The number of
/// tries (two on average) depends on the input; whoever can measure it runs code in this app and sees the input itself.
enum HashedPoint {
    /// All fail once in 2^64 inputs.
    private static let tries: UInt8 = 64

    /// In X9.63 form: 4, x, y.
    static func of(_ input: Data) throws -> Data {
        for counter in 0..<tries {
            var hash = SHA256()
            hash.update(data: Data("pocketchart/1/point".utf8))
            hash.update(data: [counter])
            hash.update(data: input)
            let x = hash.finalize().withUnsafeBytes { Data($0) }
            if let point = try? P256.KeyAgreement.PublicKey(compactRepresentation: x) {
                return point.x963Representation
            }
        }
        throw PlatformFailure(.other, 0)
    }
}
#endif
