// Slots that a gate has a part in: an honest one, a lying one, a failing one, a hanging one.

import Clinic
import Foundation
import Pocketchart
import Testing

private let pin = "739148"

@Suite struct GateSlotTests {
    private func openWithGate(_ place: Place) async throws -> (vault: Vault, session: Session, gate: ScriptedGate) {
        let gate = ScriptedGate()
        let (vault, session) = try await place.open(gate: gate)
        return (vault, session, gate)
    }

    @Test func aFingerOpens() async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        let slot = try await session.addSlot(.gate(name: "finger"))
        #expect(slot.kind == .gate && slot.needsGate && slot.label == "finger")
        try await session.lock()
        let before = gate.asked
        let again = try await vault.unlock(asking: "Open your records")
        #expect(gate.asked == before + 1)
        #expect(try await again.person().isOwner)
        #expect(try await again.slots().first { $0.id == slot.id }?.isOpen == true)
    }

    @Test func thePhonesOwnGateOpens() async throws {
        let app = FakeApp()
        let vault = try Vault(home: app.home, gate: app.gate())
        let new = try await vault.create(passphrase: passphrase)
        let session = try await new.confirm(new.recoveryCode())
        try await session.addSlot(.gate(name: "finger"))
        try await session.addSlot(.pin(name: "PIN", digits: pin))
        try await session.lock()
        try await vault.unlock(asking: "Open").lock()
        try await vault.unlock(pin: pin).lock()
        app.device.addFinger()
        #expect(await code { try await vault.unlock(asking: "Open") } == .gateLost)
        try await vault.unlock(pin: pin).lock()
        #expect(try await vault.exists())
    }

    @Test func withoutAGateThereIsNoSuchSlot() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.addSlot(.gate(name: "finger")) } == .needsGate)
        #expect(await code { try await session.addSlot(.pin(name: "PIN", digits: pin)) } == .needsGate)
        #expect(try await session.slots().count == 2)
    }

    @Test(arguments: [
        Behaviour.saysYes, .wrongBytes, .oneByteLess, .oneByteMore, .erratic,
    ])
    func aGateThatLiesOpensNothing(_ lie: Behaviour) async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        try await session.addSlot(.gate(name: "finger"))
        try await session.addSlot(.pin(name: "PIN", digits: pin))
        try await session.lock()
        gate.behave(lie)
        let (finger, typed) = (await code { try await vault.unlock(asking: "") }, await code { try await vault.unlock(pin: pin) })
        #expect(finger == .wrongSecret)
        // What is no 32 bytes is not what was typed wrong: no try is counted for it.
        #expect(typed == .wrongSecret || typed == .gateTryAgain)
        gate.behave(.works)
        try await vault.unlock(asking: "").lock()
        try await vault.unlock(pin: pin).lock()
    }

    @Test(arguments: [
        (Behaviour.fails(.Refused), VaultError.Code.gateRefused), (.fails(.Cancelled), .gateCancelled),
        (.fails(.LockedOut), .gateLockedOut), (.fails(.Lost), .gateLost), (.fails(.TryAgain), .gateTryAgain),
        (.fails(.Unavailable), .gateUnavailable), (.throwsSomethingElse, .gateTryAgain),
    ])
    func whatAGateSaysIsToldByItsCode(_ behaviour: Behaviour, _ told: VaultError.Code) async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        try await session.addSlot(.gate(name: "finger"))
        try await session.lock()
        gate.behave(behaviour)
        #expect(await code { try await vault.unlock(asking: "") } == told)
        try await vault.unlock(passphrase: passphrase).lock()
    }

    @Test func aSlotThatCouldNotBeMadeIsNotThere() async throws {
        let place = try Place()
        let (_, session, gate) = try await openWithGate(place)
        gate.behave(.fails(.Unavailable))
        #expect(await code { try await session.addSlot(.gate(name: "finger")) } == .gateUnavailable)
        #expect(try await session.slots().count == 2)
        #expect(gate.keyCount == 0)
    }

    @Test func cancellingTakesTheQuestionBack() async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        try await session.addSlot(.gate(name: "finger"))
        try await session.lock()
        let before = gate.asked
        gate.behave(.hangs)
        let asking = Task { await code { try await vault.unlock(asking: "") } }
        while gate.asked == before { try await Task.sleep(nanoseconds: 1_000_000) }
        asking.cancel()
        #expect(await asking.value == .cancelled)
        _ = try await eventually { if gate.takenBack == 0 { throw ClinicError("the question stands") } }
        gate.behave(.works)
        _ = try await eventually { try await vault.unlock(asking: "") }
    }

    @Test func aHangingGateHoldsNobodyUp() async throws {
        let place = try Place()
        let (_, session, gate) = try await openWithGate(place)
        try await session.addSlot(.gate(name: "finger"))
        let before = gate.asked
        gate.behave(.hangs)
        let switching = Task { await code { try await session.switchPerson(.gate(slot: nil, reason: "")) } }
        while gate.asked == before { try await Task.sleep(nanoseconds: 1_000_000) }
        try await session.put(#"{"resourceType":"Patient","id":"p1"}"#)
        #expect(try await session.search("Patient").items.count == 1)
        switching.cancel()
        #expect(await switching.value == .cancelled)
        #expect(try await session.person().isOwner)
    }

    @Test func aPINHasTriesAndThenWaits() async throws {
        let place = try Place()
        let (vault, session, _) = try await openWithGate(place)
        #expect(await code { try await session.addSlot(.pin(name: "PIN", digits: "123456")) } == .weakSecret)
        try await session.addSlot(.pin(name: "PIN", digits: pin))
        #expect(await code { try await session.addSlot(.pin(name: "PIN", digits: "864209")) } == .alreadyThere)
        try await session.lock()
        var told: [VaultError.Code?] = []
        for _ in 0..<7 { told.append(await code { try await vault.unlock(pin: "918273") }) }
        #expect(told.prefix(4).allSatisfy { $0 == .wrongSecret })
        #expect(told.last == .wait)
        do {
            _ = try await vault.unlock(pin: pin)
            Issue.record("it did not wait")
        } catch {
            #expect(error.code == .wait && (error.number ?? 0) > 0)
        }
        try await vault.unlock(passphrase: passphrase).lock()
    }

    @Test func aRemovedSlotOpensNothingAndItsKeyIsGone() async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        let slot = try await session.addSlot(.gate(name: "finger"))
        #expect(gate.keyCount == 1)
        #expect(try await session.removeSlot(slot.id).isEmpty)
        #expect(gate.keyCount == 0)
        #expect(try await !session.slots().contains { $0.id == slot.id })
        #expect(await code { try await session.removeSlot(slot.id) } == .noSuchSlot)
        #expect(await code { try await session.removeSlot("nonsense") } == .noSuchSlot)
        try await session.lock()
        #expect(await code { try await vault.unlock(asking: "") } == .noSuchSlot)
    }

    @Test func theOpenSlotAndTheLastWayInStay() async throws {
        let place = try Place()
        let (vault, session, _) = try await openWithGate(place)
        let own = try #require(try await session.slots().first { $0.isOpen })
        #expect(await code { try await session.removeSlot(own.id, dropOthers: true) } == .slotIsOpen)
        try await session.addSlot(.gate(name: "finger"))
        #expect(await code { try await session.removeSlot(own.id) } == .slotIsOpen)
        try await session.lock()
        let again = try await vault.unlock(asking: "")
        #expect(await code { try await again.removeSlot(own.id, dropOthers: true) } == .lastWayIn)
        #expect(try await again.slots().count == 3)
        try await again.lock()
        try await vault.unlock(passphrase: passphrase).lock()
    }

    @Test func aRecoveryCodeIsVerifiedAndReplaced() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        let new = try await vault.create(passphrase: passphrase)
        let first = try await new.recoveryCode()
        let session = try await new.confirm(first)
        #expect(try await session.verifyRecoveryCode(first))
        #expect(try await !session.verifyRecoveryCode("0000-0000"))
        #expect(try await !session.openedByRecoveryCode())
        let abandoned = try await session.newRecoveryCode(dropOthers: true)
        try await abandoned.abandon()
        #expect(await code { try await abandoned.code() } == .closed)
        let next = try await session.newRecoveryCode(dropOthers: true)
        let second = try await next.code()
        #expect(second != first)
        #expect(await code { try await next.confirm("0000") } == .wrongSecret)
        _ = try await next.confirm(second)
        #expect(await code { try await next.confirm(second) } == .closed)
        try await session.lock()
        #expect(await code { try await vault.unlock(recoveryCode: first) } == .wrongSecret)
        let again = try await vault.unlock(recoveryCode: second)
        #expect(try await again.openedByRecoveryCode())
    }

    @Test func aSessionsWipeEndsVaultAndKeys() async throws {
        let place = try Place()
        let (vault, session, gate) = try await openWithGate(place)
        try await session.addSlot(.gate(name: "finger"))
        try await session.put(#"{"resourceType":"Patient","id":"p1"}"#)
        #expect(await code { try await session.wipe() } == .unsentChanges)
        #expect(try await session.wipe(evenUnsent: true) == 0)
        #expect(try await session.lockState() == .locked)
        #expect(try await !vault.exists())
        #expect(gate.keyCount == 0)
    }
}
