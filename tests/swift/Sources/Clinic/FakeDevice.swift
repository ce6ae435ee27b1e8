// A phone in memory: its keychain, its Secure Enclave and its sensor, which do as they are told.

import Foundation
import Pocketchart

/// What the sheet for finger and face does.
public enum Sheet: Sendable {
    case recognises
    case fails(PlatformFailure)
    case hangs
}

/// One phone. Deleting and installing an app, new fingers and a locked screen are methods.
public final class FakeDevice: EnclaveKeys, KeychainStore, LocalAuthentication, @unchecked Sendable {
    private struct Key {
        let use: KeyUse
        let madeUnder: Data
        let bytes: UInt64
    }
    private final class Approved: Approval {}

    private let lock = NSLock()
    private var keys: [String: Key] = [:]
    private var values: [String: Data] = [:]
    private var secrets: [Data: (key: UInt64, secret: Data)] = [:]
    private var fingers = Data([1])
    private var sheet = Sheet.recognises
    private var sensor: PlatformFailure?
    private var locked = false
    private var failsNext: PlatformFailure?
    private var shortOutput = false
    public private(set) var reasons: [String] = []
    public var isPresent = true

    public init() {}

    private func within<T>(_ work: () throws -> T) rethrows -> T {
        lock.lock()
        defer { lock.unlock() }
        return try work()
    }

    // What happens to it.

    public func lockScreen(_ now: Bool) { within { locked = now } }
    public func show(_ new: Sheet) { within { sheet = new } }
    public func disturb(_ failure: PlatformFailure?) { within { sensor = failure } }
    public func failOnce(_ failure: PlatformFailure) { within { failsNext = failure } }
    public func giveShortOutput() { within { shortOutput = true } }
    /// Another finger is set up: keys of the earlier set never work again.
    public func addFinger() { within { fingers.append(9) } }
    /// The system names the same set in other bytes, as an update may.
    public func renameFingers() {
        within {
            keys = keys.mapValues { Key(use: $0.use, madeUnder: $0.madeUnder == fingers ? Data([7]) : $0.madeUnder, bytes: $0.bytes) }
            fingers = Data([7])
        }
    }
    public func loseKeys() { within { keys = [:] } }
    public func loseKeychain() { within { values = [:] } }
    public var keyCount: Int { within { keys.count } }
    public var mark: Data? { within { values["installation"] } }

    private func ready() throws {
        if locked { throw PlatformFailure(.keychain, -25308) }
        if let failure = failsNext {
            failsNext = nil
            throw failure
        }
    }

    // KeychainStore

    public func read(_ name: String) throws -> Data? {
        try within {
            if locked { throw PlatformFailure(.keychain, -25308) }
            return values[name]
        }
    }

    public func write(_ name: String, _ value: Data) throws {
        try within {
            if locked { throw PlatformFailure(.keychain, -25308) }
            values[name] = value
        }
    }

    // EnclaveKeys

    public func make(_ name: String, for use: KeyUse) throws {
        try within {
            try ready()
            if keys[name] != nil { throw PlatformFailure(.keychain, -25299) }
            keys[name] = Key(use: use, madeUnder: fingers, bytes: .random(in: .min ... .max))
        }
    }

    public func exists(_ name: String) throws -> Bool {
        try within {
            if locked { throw PlatformFailure(.keychain, -25308) }
            return keys[name] != nil
        }
    }

    public func seal(_ secret: Data, to name: String) throws -> Data {
        try within {
            try ready()
            guard let key = keys[name] else { throw PlatformFailure(.keychain, -25300) }
            let handle = Data((0..<32).map { _ in UInt8.random(in: .min ... .max) })
            secrets[handle] = (key.bytes, secret)
            return handle
        }
    }

    public func open(_ sealed: Data, with name: String, approval: any Approval) throws -> Data {
        try within {
            try ready()
            guard let key = keys[name] else { throw PlatformFailure(.keychain, -25300) }
            guard key.use == .person, key.madeUnder == fingers else { throw PlatformFailure(.token, -3) }
            guard approval is Approved else { throw PlatformFailure(.keychain, -25293) }
            guard let kept = secrets[sealed], kept.key == key.bytes else { throw PlatformFailure(.keychain, -26275) }
            return kept.secret
        }
    }

    public func evaluate(_ input: Data, with name: String) throws -> Data {
        try within {
            try ready()
            guard let key = keys[name] else { throw PlatformFailure(.keychain, -25300) }
            var mixed = key.bytes
            var output = Data()
            for place in UInt64(0)..<4 {
                for byte in input { mixed = (mixed ^ UInt64(byte)) &* 0x100_0000_01B3 &+ place }
                output += withUnsafeBytes(of: mixed) { Data($0) }
            }
            return shortOutput ? output.dropLast() : output
        }
    }

    public func destroy(_ name: String) throws {
        try within {
            try ready()
            keys[name] = nil
        }
    }

    public func destroyAll() throws {
        try within {
            try ready()
            keys = [:]
        }
    }

    // LocalAuthentication

    public func biometry() throws -> Data {
        try within {
            if let sensor { throw sensor }
            return fingers
        }
    }

    public func approve(reason: String) async throws -> any Approval {
        let now = within {
            reasons.append(reason)
            return sheet
        }
        switch now {
        case .recognises: return Approved()
        case .fails(let failure): throw failure
        case .hangs:
            try await Task.sleep(nanoseconds: 60_000_000_000)
            throw PlatformFailure(.authentication, -9)
        }
    }
}

/// A folder of its own for one test's app, and the gate of an app that runs there.
public struct FakeApp {
    public let device = FakeDevice()
    public let files: URL

    public init() {
        files = Place.all().appendingPathComponent("gate-\(UUID().uuidString)")
    }

    public var home: URL { files.appendingPathComponent("vault") }
    public var markFile: URL { files.appendingPathComponent("vault.installation") }

    /// As after each start of the app.
    public func gate() -> SecureEnclaveKeyGate {
        SecureEnclaveKeyGate(home: home, keys: device, keychain: device, authentication: device)
    }

    public func makeVault() throws {
        try FileManager.default.createDirectory(at: home, withIntermediateDirectories: true)
        try Data([1]).write(to: home.appendingPathComponent("header"))
    }

    public func uninstall() {
        try? FileManager.default.removeItem(at: files)
    }
}
