// Names and shapes of Apple's CryptoKit, for the type checker: see Security.swift.

import Foundation

public enum SecureEnclave {
    public static var isAvailable: Bool { false }
}

public struct Bytes {
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

public struct SHA256 {
    public init() {}
    public static func hash(data: some DataProtocol) -> Bytes { Bytes() }
    public mutating func update(data: some DataProtocol) {}
    public func finalize() -> Bytes { Bytes() }
}

public struct SymmetricKey {
    public init(data: some DataProtocol) {}
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: nil, count: 0))
    }
}

public struct HKDF<Hash> {
    public static func deriveKey(
        inputKeyMaterial: SymmetricKey, salt: some DataProtocol, info: some DataProtocol, outputByteCount: Int
    ) -> SymmetricKey { inputKeyMaterial }
}

public enum P256 {
    public enum KeyAgreement {
        public struct PublicKey {
            public let x963Representation = Data()
            public init(compactRepresentation: some ContiguousBytes) throws {}
        }
    }
}
