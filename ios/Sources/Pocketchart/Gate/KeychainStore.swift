// The few bytes that this package keeps in the keychain beside the keys.

import Foundation

/// Small values in the keychain of this device only: in no backup, on no other device. Throws ``PlatformFailure``.
public protocol KeychainStore: Sendable {
    /// The value, or `nil` only when the keychain could be read and holds none.
    func read(_ name: String) throws -> Data?

    /// Sets the value.
    func write(_ name: String, _ value: Data) throws
}
