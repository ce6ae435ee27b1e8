// A gate that does as it is told: works, fails, hangs, throws, or lies.

import Foundation
import Pocketchart

/// How a ``ScriptedGate`` answers.
public enum Behaviour: Sendable {
    case works
    case fails(GateError)
    case hangs
    case throwsSomethingElse
    /// Says yes, with no bytes.
    case saysYes
    case wrongBytes
    case oneByteLess
    case oneByteMore
    /// Another answer each time.
    case erratic

}

/// Keys in memory.
public final class ScriptedGate: KeyGate, @unchecked Sendable {
    private let lock = NSLock()
    private var behaviour = Behaviour.works
    private var keys: [String: UInt64] = [:]
    private var secrets: [Data: (alias: String, secret: Data)] = [:]
    private var questions = 0
    private var withdrawn = 0

    public init() {}

    private func within<T>(_ work: () throws -> T) rethrows -> T {
        lock.lock()
        defer { lock.unlock() }
        return try work()
    }

    public func behave(_ new: Behaviour) { within { behaviour = new } }
    public func loseKeys() { within { (keys, secrets) = ([:], [:]) } }
    public var keyCount: Int { within { keys.count } }
    /// How often a person was asked.
    public var asked: Int { within { questions } }
    /// How many questions were taken back.
    public var takenBack: Int { within { withdrawn } }

    private func honest(_ answer: Data) async throws -> Data {
        switch within({ behaviour }) {
        case .works: return answer
        case .fails(let error): throw error
        case .throwsSomethingElse: throw CocoaError(.fileReadUnknown)
        case .hangs:
            do {
                try await Task.sleep(nanoseconds: 600_000_000_000)
            } catch {
                within { withdrawn += 1 }
                throw GateError.Cancelled
            }
            return answer
        case .saysYes: return Data()
        case .wrongBytes: return Data(answer.map { $0 ^ 1 })
        case .oneByteLess: return answer.dropLast()
        case .oneByteMore: return answer + [0]
        case .erratic: return Data((0..<32).map { _ in UInt8.random(in: .min ... .max) })
        }
    }

    public func enroll(alias: String, policy: GatePolicy, secret: Data) async throws -> Data {
        if case .fails(let error) = within({ behaviour }) { throw error }
        return within {
            let handle = Data((0..<32).map { _ in UInt8.random(in: .min ... .max) })
            keys[alias] = .random(in: .min ... .max)
            secrets[handle] = (alias, secret)
            return handle
        }
    }

    public func release(alias: String, sealed: Data, reason: String) async throws -> Data {
        let kept = within {
            questions += 1
            return secrets[sealed]
        }
        guard let kept, kept.alias == alias else { throw GateError.Lost }
        return try await honest(kept.secret)
    }

    public func evaluate(alias: String, input: Data) async throws -> Data {
        guard let key = within({ keys[alias] }) else { throw GateError.Lost }
        var (mixed, output) = (key, Data())
        for place in UInt64(0)..<4 {
            for byte in input { mixed = (mixed ^ UInt64(byte)) &* 0x100_0000_01B3 &+ place }
            output += withUnsafeBytes(of: mixed) { Data($0) }
        }
        return try await honest(output)
    }

    public func destroy(alias: String) async throws {
        if case .fails(let error) = within({ behaviour }) { throw error }
        within {
            keys[alias] = nil
            secrets = secrets.filter { $0.value.alias != alias }
        }
    }
}
