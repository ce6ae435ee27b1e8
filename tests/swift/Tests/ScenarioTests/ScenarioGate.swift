// The gate of a story: honest, lying or failing. Keys that the honest one made stay.

import Clinic
import Foundation
import Pocketchart

/// Of one device.
final class ScenarioGate: KeyGate, @unchecked Sendable {
    private struct Undeclared: Error {}

    private let honest = ScriptedGate()
    private let lock = NSLock()
    private var now = "good"

    var kind: String {
        get { lock.withLock { now } }
        set { lock.withLock { now = newValue } }
    }

    /// What a gate of the kind answers where the honest one says `answer`.
    private func bent(_ given: Data, _ answer: () async throws -> Data) async throws -> Data {
        switch kind {
        case "good": return try await answer()
        case "lies": return Data(count: 32)
        case "echoes": return given
        default: throw failure
        }
    }

    private var failure: any Error {
        switch kind {
        case "refused": GateError.Refused
        case "cancelled": GateError.Cancelled
        case "lockedout": GateError.LockedOut
        case "lost": GateError.Lost
        case "tryagain": GateError.TryAgain
        case "unavailable": GateError.Unavailable
        default: Undeclared()
        }
    }

    func enroll(alias: String, policy: GatePolicy, secret: Data) async throws -> Data {
        try await bent(secret) { try await honest.enroll(alias: alias, policy: policy, secret: secret) }
    }

    func release(alias: String, sealed: Data, reason: String) async throws -> Data {
        try await bent(sealed) { try await honest.release(alias: alias, sealed: sealed, reason: reason) }
    }

    func evaluate(alias: String, input: Data) async throws -> Data {
        try await bent(input) { try await honest.evaluate(alias: alias, input: input) }
    }

    func destroy(alias: String) async throws {
        if !["good", "lies", "echoes"].contains(kind) { throw failure }
        try await honest.destroy(alias: alias)
    }
}
