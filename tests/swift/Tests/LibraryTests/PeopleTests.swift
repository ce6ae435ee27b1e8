// Several people in one vault.

import Clinic
import Foundation
import Pocketchart
import Testing

private let nurses = "ferry thimble orchard 19"

@Suite struct PeopleTests {
    private func withNurse(_ place: Place) async throws -> (vault: Vault, session: Session) {
        let (vault, session) = try await place.open()
        let nurse = try await session.addPerson("nurse-1", role: "nurse", slot: .passphrase(name: "n", text: nurses, onThisDeviceOnly: false))
        #expect(nurse.role == "nurse" && nurse.slots == 1 && !nurse.isCertified && !nurse.fingerprint.isEmpty)
        return (vault, session)
    }

    @Test func theVaultChangesHandsAndBack() async throws {
        let place = try Place()
        let (_, session) = try await withNurse(place)
        let nurse = try await session.switchPerson(.passphrase(person: "nurse-1", text: nurses))
        #expect(nurse.id == "nurse-1" && nurse.role == "nurse" && !nurse.isOwner)
        #expect(await code { try await session.switchPerson(.passphrase(person: nil, text: "wrong")) } == .wrongSecret)
        #expect(try await session.person().id == "nurse-1")
        try await session.switchPerson(.passphrase(person: nil, text: passphrase))
        #expect(try await session.person().isOwner)
        #expect(try await session.people().map(\.id).sorted() == ["nurse-1", "owner"])
    }

    @Test func theRoleDecides() async throws {
        let place = try Place()
        let (vault, session) = try await withNurse(place)
        try await session.lock()
        let nurse = try await vault.unlock(passphrase: nurses, person: "nurse-1")
        try await nurse.put(#"{"resourceType":"Patient","id":"p1"}"#)
        try await nurse.put(#"{"resourceType":"Observation","id":"o1","status":"final","code":{"text":"Weight"},"subject":{"reference":"Patient/p1"}}"#)
        let diagnosis = #"{"resourceType":"Condition","id":"c1","subject":{"reference":"Patient/p1"}}"#
        #expect(await code { try await nurse.put(diagnosis) } == .notAllowed)
        #expect(await code { try await nurse.delete("Observation/o1") } == .notAllowed)
        #expect(await code { try await nurse.whoSaw("p1") } == .notAllowed)
        #expect(await code { try await nurse.wipe(evenUnsent: true) } == .notAllowed)
        #expect(await code { try await nurse.addPerson("n2", role: "nurse", slot: .passphrase(name: "", text: nurses, onThisDeviceOnly: false)) } == .notAllowed)
        #expect(await code { try await nurse.get("Condition/c1") } == .notFound)
    }

    @Test func whatIsNoPersonIsSaid() async throws {
        let place = try Place()
        let (_, session) = try await withNurse(place)
        let slot = NewSlot.passphrase(name: "", text: nurses, onThisDeviceOnly: false)
        #expect(await code { try await session.addPerson("n2", role: "wizard", slot: slot) } == .badInput)
        #expect(await code { try await session.addPerson("a b", role: "nurse", slot: slot) } == .badInput)
        #expect(await code { try await session.addPerson("nurse-1", role: "nurse", slot: slot) } == .alreadyThere)
        #expect(await code { try await session.switchPerson(.passphrase(person: "n3", text: nurses)) } == .noSuchSlot)
        #expect(try await session.people().count == 2)
    }

    @Test func observationsEndWithTheHands() async throws {
        let place = try Place()
        let (_, session) = try await withNurse(place)
        var ticks = try await session.observe("Patient").makeAsyncIterator()
        let states = try await session.lockStates()
        _ = await ticks.next()
        try await session.switchPerson(.passphrase(person: "nurse-1", text: nurses))
        #expect(await ticks.next() == nil)
        var others = try await session.observe("Patient").makeAsyncIterator()
        #expect(await others.next() != nil)
        // The lock is watched through the change of hands.
        let told = Task { await states.reduce(into: [LockState]()) { $0.append($1) } }
        try await session.lock()
        #expect(await told.value.last == .locked)
    }

    @Test func whoSawIsToldPageByPage() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.put(#"{"resourceType":"Patient","id":"p1"}"#)
        for each in 0..<40 {
            try await session.put(#"{"resourceType":"Basic","id":"b\#(each)","code":{"text":"x"},"subject":{"reference":"Patient/p1"}}"#)
        }
        var (seen, cursor, pages) = ([Int64](), String?.none, 0)
        repeat {
            let page = try await session.whoSaw("p1", cursor: cursor)
            #expect(page.items.count <= 50)
            seen += page.items.map(\.number)
            #expect(page.items.allSatisfy { $0.person == "owner" && $0.at.hasPrefix("20") })
            (cursor, pages) = (page.next, pages + 1)
        } while cursor != nil
        #expect(pages >= 2)
        #expect(seen == seen.sorted(by: >) && Set(seen).count == seen.count)
        #expect(await code { try await session.whoSaw("a b") } == .badInput)
        #expect(await code { try await session.whoSaw("p1", cursor: "nonsense") } == .badInput)
    }

    @Test func nothingIsMissingFromANewVault() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        let warnings = try await session.warnings()
        #expect(warnings.lostChanges == nil && !warnings.isOlderThanAnchor)
        try await session.acceptLoss()
    }
}
