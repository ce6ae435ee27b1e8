// Vaults for tests.

import Foundation
import Pocketchart

/// A passphrase that is good enough for a new vault.
public let passphrase = "plum orbit lantern 42"

/// A folder of its own for one test. The lane takes all of them away at the end: a test's last word about its place is
/// not the end of the test.
public final class Place: Sendable {
    public let folder: URL

    public init() throws {
        folder = Self.all().appendingPathComponent("place-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    static func all() -> URL {
        (try? Program.variable("POCKETCHART_PLACES")).map { URL(fileURLWithPath: $0) }
            ?? FileManager.default.temporaryDirectory
    }

    public func home(_ name: String = "vault") -> URL {
        folder.appendingPathComponent(name)
    }

    /// A new vault and its session, in the owner's hands.
    public func open(_ name: String = "vault", gate: (any KeyGate)? = nil) async throws -> (vault: Vault, session: Session) {
        let vault = try Vault(home: home(name), gate: gate)
        let new = try await vault.create(passphrase: passphrase)
        return (vault, try await new.confirm(new.recoveryCode()))
    }
}

/// The code of what `work` throws; `nil`: nothing was thrown.
public func code<T>(of work: () async throws -> T) async -> VaultError.Code? {
    do {
        _ = try await work()
        return nil
    } catch let error as VaultError {
        return error.code
    } catch {
        return .internal
    }
}

/// Tries `work` for some seconds: for what the library finishes behind the caller's back.
public func eventually<T>(_ work: () async throws -> T) async throws -> T {
    for _ in 0..<200 {
        if let done = try? await work() { return done }
        try await Task.sleep(nanoseconds: 50_000_000)
    }
    return try await work()
}
