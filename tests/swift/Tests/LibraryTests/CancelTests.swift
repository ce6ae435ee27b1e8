// A cancelled task: what does not begin, what ends, and what goes on to its end.

import Clinic
import Foundation
import Pocketchart
import Testing

private let patient = #"{"resourceType":"Patient","id":"p1"}"#

/// The code of `work` in a task that was cancelled before it began.
private func cancelledBefore<T: Sendable>(_ work: @escaping @Sendable () async throws -> T) async -> VaultError.Code? {
    let task = Task {
        while !Task.isCancelled { await Task.yield() }
        return await code { try await work() }
    }
    task.cancel()
    return await task.value
}

@Suite struct CancelTests {
    @Test func aTaskThatWasCancelledBeforeBeginsNothing() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        let other = try Vault(home: place.home("other"))
        #expect(await cancelledBefore { try await other.create(passphrase: passphrase) } == .cancelled)
        #expect(await cancelledBefore { try await vault.unlock(passphrase: passphrase) } == .cancelled)
        #expect(await cancelledBefore { try await session.put(patient) } == .cancelled)
        #expect(await cancelledBefore { try await session.search("Patient") } == .cancelled)
        #expect(await cancelledBefore { try await session.get("Patient/p1") } == .cancelled)
        #expect(await cancelledBefore { try await session.delete("Patient/p1") } == .cancelled)
        #expect(await cancelledBefore { try await vault.wipe(evenUnsent: true) } == .cancelled)
        #expect(try await session.search("Patient").items.isEmpty)
    }

    @Test func lockingWorksInACancelledTask() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await cancelledBefore { try await session.lock() } == nil)
        #expect(try await session.lockState() == .locked)
    }

    @Test func aWriteThatRunsIsWrittenToItsEnd() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        for each in 0..<50 {
            let json = #"{"resourceType":"Patient","id":"p\#(each)"}"#
            let writing = Task { try await session.put(json).reference }
            if each % 2 == 0 { await Task.yield() }
            writing.cancel()
            // Either it did not begin, or it is there and said so.
            let told = await writing.result
            let found = await code { try await session.get("Patient/p\(each)") }
            switch told {
            case .success: #expect(found == nil)
            case .failure(let error): #expect((error as? VaultError)?.code == .cancelled && found == .notFound)
            }
        }
    }

    @Test func anUnlockingThatNobodyWaitsForIsLockedAgain() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.lock()
        let opening = Task { await code { try await vault.unlock(passphrase: passphrase) } }
        try await Task.sleep(nanoseconds: 20_000_000)
        opening.cancel()
        let told = await opening.value
        #expect(told == .cancelled || told == nil)
        // The late session was let go of: the vault can be opened.
        let again = try await eventually { try await vault.unlock(passphrase: passphrase) }
        #expect(try await again.person().isOwner)
    }
}
