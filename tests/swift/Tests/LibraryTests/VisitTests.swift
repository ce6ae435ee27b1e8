// Visits, from a free time to a booked one and off again.

import Clinic
import Foundation
import Pocketchart
import Testing

/// They take slots of one hub, so they take turns.
@Suite(.serialized) struct VisitTests {
    private func wish(_ slot: String?, for patient: String = "kim", nextBest: Bool = false) -> VisitWish {
        VisitWish(patient: patient, reason: "a cough 🤒", slot: slot, wanted: FreeTimesFilter(), nextBest: nextBest)
    }

    @Test func aTimeIsBookedMovedAndCalledOff() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        try await session.sync()
        let free = try await session.freeTimes(FreeTimesFilter(practitioners: ["Practitioner/okafor"]))
        #expect(free.count >= 10 && free.confirmed != nil)
        #expect(free.items.map(\.start) == free.items.map(\.start).sorted())
        let (first, second) = (free.items[0].slot, free.items[1].slot)
        let asked = try await session.askForVisit(wish(first))
        #expect(asked.state == "wished" && asked.waits == .forSync && asked.reason == "a cough 🤒")
        #expect(try await session.sync().servers.first?.visits.booked == 1)
        var visit = try #require(try await session.visits().first { $0.id == asked.id })
        #expect(visit.state == "booked" && visit.appointment?.hasPrefix("Appointment/") == true)
        #expect(visit.start == free.items[0].start)
        #expect(try await !session.freeTimes().items.contains { $0.slot == first })
        visit = try await session.chooseTime(second, forVisit: visit.id)
        #expect(visit.state == "moving")
        try await session.sync()
        visit = try #require(try await session.visits().first { $0.id == asked.id })
        #expect(visit.state == "booked" && visit.slot?.slot == second)
        #expect(try await session.callOff(visit: visit.id).state == "cancelling")
        #expect(try await session.sync().servers.first?.visits.cancelled == 1)
        #expect(await code { try await session.callOff(visit: asked.id) } == .timeNotFree)
        #expect(try await session.freeTimes().items.contains { $0.slot == first })
    }

    @Test func whoeverComesSecondIsOfferedAnotherTime() async throws {
        let place = try Place()
        let (one, other) = (try await joined(place, "one"), try await joined(place, "other"))
        for device in [one, other] { try await device.sync() }
        let slot = try #require(try await one.freeTimes().items.last?.slot)
        let (quick, slow) = (try await one.askForVisit(wish(slot)), try await other.askForVisit(wish(slot, for: "lee")))
        #expect(try await one.sync().servers.first?.visits.booked == 1)
        #expect(try await other.sync().servers.first?.visits.offered == 1)
        let visit = try #require(try await other.visits().first { $0.id == slow.id })
        #expect(visit.state == "offered" && visit.waits == .forPerson && visit.note == .taken && !visit.offers.isEmpty)
        let chosen = try await other.chooseTime(try #require(visit.offers.first?.slot), forVisit: visit.id)
        #expect(chosen.waits == .forSync)
        #expect(try await other.sync().servers.first?.visits.booked == 1)
        try await one.callOff(visit: quick.id)
        try await other.callOff(visit: slow.id)
        for device in [one, other] { #expect(try await device.sync().servers.first?.visits.cancelled == 1) }
    }

    @Test func whatCannotBeAskedForIsSaid() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        try await session.sync()
        #expect(await code { try await session.askForVisit(wish(nil, for: "nobody")) } == .notFound)
        #expect(await code { try await session.askForVisit(wish("nothing")) } == .notFound)
        #expect(await code { try await session.chooseTime("slot-1-09", forVisit: "nothing") } == .notFound)
        #expect(await code { try await session.callOff(visit: "nothing") } == .notFound)
        #expect(await code { try await session.freeTimes(FreeTimesFilter(from: "soon")) } == .badInput)
        #expect(await code { try await session.freeTimes(FreeTimesFilter(timeOfDay: "late")) } == .badInput)
        #expect(await code { try await session.freeTimes(FreeTimesFilter(days: "someday")) } == .badInput)
        #expect(await code { try await session.freeTimes(FreeTimesFilter(practitioners: ["a b"])) } == .badInput)
        #expect(try await session.visits().isEmpty)
    }

    @Test func aWishKeepsAVaultFromBeingWiped() async throws {
        let place = try Place()
        let session = try await joined(place, "tablet")
        try await session.sync()
        let slot = try #require(try await session.freeTimes().items.first?.slot)
        let visit = try await session.askForVisit(wish(slot))
        #expect(await code { try await session.wipe() } == .unsentChanges)
        #expect(try await session.callOff(visit: visit.id).state == "cancelled")
        _ = try await session.wipe()
        #expect(try await session.lockState() == .locked)
    }
}
