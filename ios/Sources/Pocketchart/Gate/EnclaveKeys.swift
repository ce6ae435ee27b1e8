// What this package asks of the Secure Enclave, and nothing more.

import Foundation

/// What a key is for, and with that who must be there when it is used.
public enum KeyUse: Sendable {
    /// Releases a sealed secret: only while a finger or face of the set at the time it was made is shown.
    case person
    /// Computes a keyed function of something typed; the phone must be unlocked, and nobody is asked.
    case function
}

/// That a person was recognised just now; made by ``LocalAuthentication`` and taken by ``EnclaveKeys``.
public protocol Approval: AnyObject, Sendable {}

/// P-256 keys that never leave the Secure Enclave. Every call may take some tens of milliseconds and blocks; every one
/// throws ``PlatformFailure``.
public protocol EnclaveKeys: Sendable {
    /// Whether this device has a Secure Enclave.
    var isPresent: Bool { get }

    /// Makes a key under a name that no key has yet.
    func make(_ name: String, for use: KeyUse) throws

    /// Whether there is a key of this name. `false` only when the keychain could be read and said so.
    func exists(_ name: String) throws -> Bool

    /// Encrypts to the key (ECIES with its public half), so that only the Secure Enclave can decrypt.
    func seal(_ secret: Data, to name: String) throws -> Data

    /// Decrypts in the Secure Enclave.
    func open(_ sealed: Data, with name: String, approval: any Approval) throws -> Data

    /// 32 bytes that depend on the input and on the key, computed with the key where it is.
    func evaluate(_ input: Data, with name: String) throws -> Data

    /// Destroys the key; that there is none is no error.
    func destroy(_ name: String) throws

    /// Destroys every key that an earlier installation of this app left.
    func destroyAll() throws
}
