// Opens a vault with a finger or a face: the Secure Enclave's answers, and what they mean.

import Dispatch
import Foundation
import PocketchartFFI

/// The gate of iPhones and iPads. It answers with bytes that only this device's Secure Enclave can produce, never with
/// a "yes".
///
/// - A slot of finger or face: a key that works only for the fingers or the face that were set up when the slot was
///   made, and only on a phone with a passcode. Its secret is encrypted to that key.
/// - A PIN or passphrase slot: a key that computes a function of what was typed, so that guessing needs this phone.
///
/// Every method throws `GateError` and nothing else. `Lost` is said of a key that is not there, or that failed after
/// the person was recognised while other fingers or another face are set up by now; all else is worth another try.
///
/// On Apple's systems make it with ``SecureEnclaveKeyGate/init(home:service:contexts:)``.
public final class SecureEnclaveKeyGate: KeyGate {
    private static let outputBytes = 32

    private let keys: any EnclaveKeys
    private let authentication: any LocalAuthentication
    private let installation: Installation
    private let queue = DispatchQueue(label: "org.pocketchart.gate")

    /// A gate over these parts. `home` is the vault's folder: beside it lies the mark of this installation.
    public init(
        home: URL,
        keys: any EnclaveKeys,
        keychain: any KeychainStore,
        authentication: any LocalAuthentication
    ) {
        self.keys = keys
        self.authentication = authentication
        installation = Installation(keychain: keychain, keys: keys, home: home)
    }

    /// Makes the key of a new slot and seals `secret` with it. A key that is there already is not touched.
    public func enroll(alias: String, policy: GatePolicy, secret: Data) async throws -> Data {
        try await classified {
            guard self.keys.isPresent else { throw GateError.Unavailable }
            switch policy {
            case .person:
                let biometry = try self.authentication.biometry()
                return try await self.blocking {
                    try self.keys.make(alias, for: .person)
                    do {
                        let sealed = try self.keys.seal(secret, to: alias)
                        guard let bytes = SealedSecret(biometry: biometry, sealed: sealed).bytes else {
                            throw GateError.TryAgain
                        }
                        return bytes
                    } catch {
                        // Nothing was sealed with it: without this it would be an orphan in the keychain.
                        try? self.keys.destroy(alias)
                        throw error
                    }
                }
            case .evaluate:
                try await self.blocking { try self.keys.make(alias, for: .function) }
                return Data()
            }
        }
    }

    /// Asks for a finger or a face and gives back what was sealed. `reason` is shown to the person.
    public func release(alias: String, sealed: Data, reason: String) async throws -> Data {
        try await classified {
            guard let envelope = SealedSecret(bytes: sealed) else { throw GateError.TryAgain }
            try await self.requireKey(alias)
            let approval = try await self.authentication.approve(reason: reason)
            return try await self.blocking {
                do {
                    return try self.keys.open(envelope.sealed, with: alias, approval: approval)
                } catch let failure as PlatformFailure {
                    let now = try? self.authentication.biometry()
                    throw failure.meaning(ofKeyWhoseSetChanged: now != nil && now != envelope.biometry)
                }
            }
        }
    }

    /// A keyed function of `input`, always the same for the same input: 32 bytes. Nobody is asked.
    public func evaluate(alias: String, input: Data) async throws -> Data {
        try await classified {
            try await self.requireKey(alias)
            let output = try await self.blocking { try self.keys.evaluate(input, with: alias) }
            guard output.count == Self.outputBytes else { throw GateError.TryAgain }
            return output
        }
    }

    /// Destroys the key of a slot. That it is gone already is no error.
    public func destroy(alias: String) async throws {
        try await classified {
            try await self.blocking { try self.keys.destroy(alias) }
        }
    }

    private func requireKey(_ alias: String) async throws {
        guard try await blocking({ try self.keys.exists(alias) }) else { throw GateError.Lost }
    }

    /// First whose keys these are; then the work; and whatever fails becomes one of the six words.
    private func classified<T: Sendable>(_ work: () async throws -> T) async throws -> T {
        do {
            try await installation.settle()
            return try await work()
        } catch let error as GateError {
            throw error
        } catch let failure as PlatformFailure {
            throw failure.meaning
        } catch is CancellationError {
            throw GateError.Cancelled
        } catch {
            throw GateError.TryAgain
        }
    }

    /// The keychain's calls block, sometimes for long: not on the threads that all tasks share.
    private func blocking<T: Sendable>(_ work: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Result { try work() }) }
        }
    }
}
