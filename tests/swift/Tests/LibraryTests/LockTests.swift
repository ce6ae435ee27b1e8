// When a session ends, and what is left of it.

import Clinic
import Foundation
import Pocketchart
import Testing

private let patient = #"{"resourceType":"Patient","id":"p1"}"#

@Suite struct LockTests {
    @Test func aLockedSessionSaysSoOfEverything() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.put(patient)
        try await session.lock()
        try await session.lock()
        #expect(try await session.lockState() == .locked)
        #expect(await code { try await session.person() } == .locked)
        #expect(await code { try await session.search("Patient") } == .locked)
        #expect(await code { try await session.get("Patient/p1") } == .locked)
        #expect(await code { try await session.put(patient) } == .locked)
        #expect(await code { try await session.delete("Patient/p1") } == .locked)
        #expect(await code { try await session.observe() } == .locked)
        #expect(await code { try await session.lockStates() } == .locked)
        #expect(await code { try await session.background() } == .locked)
        #expect(await code { try await session.foreground() } == .locked)
        #expect(await code { try await session.pause() } == .locked)
        #expect(await code { try await session.resume() } == .locked)
        #expect(await code { try await session.sync() } == .locked)
    }

    @Test func inTheBackgroundLittleTimeIsLeft() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        guard case .open(let before) = try await session.lockState() else { throw ClinicError("locked") }
        #expect(before > 240 && before <= 300)
        try await session.background()
        _ = try await session.put(patient)
        guard case .open(let away) = try await session.lockState() else { throw ClinicError("locked") }
        #expect(away <= 30)
        try await session.foreground()
        guard case .open(let back) = try await session.lockState() else { throw ClinicError("locked") }
        #expect(back > 240)
    }

    @Test func screensAreToldOfTheLock() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        let states = try await session.lockStates()
        let told = Task { await states.reduce(into: [LockState]()) { $0.append($1) } }
        try await session.put(patient)
        try await session.lock()
        let all = await told.value
        #expect(all.count == 2 && all.last == .locked)
        #expect(all.first != .locked)
    }

    @Test func lettingGoOfASessionLocksIt() async throws {
        let place = try Place()
        let vault = try await place.open().vault
        // Its session is gone with the line above.
        _ = try await eventually { try await vault.unlock(passphrase: passphrase) }
    }

    @Test func lockingWaitsForWhatIsBeingWrittenAndLosesNothing() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        let writers = (0..<20).map { each in
            Task { () -> String? in
                do {
                    return try await session.put(#"{"resourceType":"Patient","id":"p\#(each)"}"#).reference
                } catch let error as VaultError where error.code == .locked {
                    return nil
                }
            }
        }
        try await session.lock()
        var stored = Set<String>()
        for writer in writers { if let reference = try await writer.value { stored.insert(reference) } }
        let again = try await vault.unlock(passphrase: passphrase)
        let found = Set(try await again.search("Patient?_count=100").items.map(\.reference))
        #expect(stored.isSubset(of: found), "said to be stored, and not there")
        #expect(found == stored)
    }

    @Test func lockingStopsWhatReads() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        for each in 0..<50 { try await session.put(#"{"resourceType":"Patient","id":"p\#(each)"}"#) }
        let readers = (0..<50).map { _ in Task { await code { try await session.search("Patient?_sort=-_id") } } }
        try await session.lock()
        for reader in readers {
            let told = await reader.value
            #expect(told == nil || told == .locked)
        }
    }

    @Test func pausingAndResumingKeepsItOpen() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.pause()
        try await session.resume()
        try await session.put(patient)
        #expect(try await session.search("Patient").items.count == 1)
    }
}
