// Making a vault, and the ways into it.

import Clinic
import Foundation
import Pocketchart
import Testing

@Suite struct OpeningTests {
    @Test func aVaultIsThereOnceItsCodeWasWrittenDown() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        #expect(try await !vault.exists())
        #expect(try await vault.slots().isEmpty)
        let new = try await vault.create(passphrase: passphrase)
        let written = try await new.recoveryCode()
        #expect(written.count == 34)
        #expect(try await !vault.exists())
        #expect(await code { try await new.confirm("0000-0000") } == .wrongSecret)
        let session = try await new.confirm(written.lowercased().replacingOccurrences(of: "-", with: " "))
        #expect(try await vault.exists())
        #expect(try await session.person().isOwner)
        #expect(await code { try await new.confirm(written) } == .closed)
        #expect(await code { try await new.recoveryCode() } == .closed)
    }

    @Test func abandonedThereIsNoVault() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        let new = try await vault.create(passphrase: passphrase)
        try await new.abandon()
        #expect(await code { try await new.recoveryCode() } == .closed)
        #expect(try await !vault.exists())
        _ = try await vault.create(passphrase: passphrase)
        #expect(try await !vault.exists())
    }

    @Test(arguments: [("short", PassphraseJudgement.tooShort), ("password1", .guessable), (passphrase, .good)])
    func aPassphraseIsJudged(_ text: String, _ judgement: PassphraseJudgement) throws {
        #expect(try judgePassphrase(text) == judgement)
    }

    @Test func aWeakPassphraseMakesNoVault() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        #expect(await code { try await vault.create(passphrase: "password1") } == .weakSecret)
        #expect(try await !vault.exists())
    }

    @Test func aVaultIsNeverMadeOverAnother() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        let inUse = await code { try await vault.create(passphrase: passphrase) }
        #expect(inUse == .vaultExists || inUse == .inUse)
        try await session.lock()
        let told = await code { try await vault.create(passphrase: passphrase) }
        #expect(told == .vaultExists)
        try await vault.unlock(passphrase: passphrase).lock()
    }

    @Test func whereThereIsNoneNothingOpens() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        #expect(await code { try await vault.unlock(passphrase: passphrase) } == .noVault)
        #expect(await code { try await vault.wipe(evenUnsent: true) } == .noVault)
    }

    @Test func aURLThatIsNoFoldersIsRefused() async throws {
        let url = try #require(URL(string: "https://example.org/vault"))
        #expect(await code { try Vault(home: url) } == .badInput)
    }

    @Test func passphraseAndRecoveryCodeOpen() async throws {
        let place = try Place()
        let vault = try Vault(home: place.home())
        let new = try await vault.create(passphrase: passphrase)
        let written = try await new.recoveryCode()
        var session = try await new.confirm(written)
        let patient = #"{"resourceType":"Patient","id":"p1"}"#
        try await session.put(patient)
        try await session.lock()
        session = try await vault.unlock(passphrase: passphrase)
        #expect(try await session.get("Patient/p1").json == patient)
        try await session.lock()
        session = try await vault.unlock(recoveryCode: written)
        #expect(try await session.get("Patient/p1").json == patient)
    }

    @Test func anotherSecretOpensNothing() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.lock()
        #expect(await code { try await vault.unlock(passphrase: passphrase + "3") } == .wrongSecret)
        #expect(await code { try await vault.unlock(passphrase: passphrase, person: "nurse-1") } == .noSuchSlot)
        #expect(await code { try await vault.unlock(recoveryCode: "AAAA-AAAA") } == .wrongSecret)
        #expect(await code { try await vault.unlock(asking: "") } == .noSuchSlot)
        _ = try await vault.unlock(passphrase: passphrase)
    }

    @Test func oneSessionAtATime() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        #expect(await code { try await vault.unlock(passphrase: passphrase) } == .inUse)
        #expect(await code { try await Vault(home: place.home()).unlock(passphrase: passphrase) } == .inUse)
        try await session.lock()
        _ = try await vault.unlock(passphrase: passphrase)
    }

    @Test func theSlotsStandOnALockScreen() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.lock()
        let slots = try await vault.slots()
        #expect(slots.map(\.kind).sorted { "\($0)" < "\($1)" } == [.passphrase, .recovery])
        #expect(slots.allSatisfy { $0.person == nil && !$0.isOpen && !$0.words.isEmpty })
    }

    @Test func aWipedVaultIsGone() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        #expect(await code { try await vault.wipe(evenUnsent: true) } == .inUse)
        try await session.lock()
        #expect(await code { try await vault.wipe() } == .unsentChanges)
        #expect(try await vault.exists())
        #expect(try await vault.wipe(evenUnsent: true) == 0)
        #expect(try await !vault.exists())
        #expect(try await !vault.wipeWasInterrupted())
        #expect(await code { try await vault.unlock(passphrase: passphrase) } == .noVault)
        _ = try await place.open()
    }

    @Test func aDamagedHeaderIsSaidAndNothingIsWrittenOverIt() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.lock()
        let folder = place.home().appendingPathComponent("vault")
        let headers = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .filter { $0.lastPathComponent.hasPrefix("header") }
        #expect(!headers.isEmpty)
        for file in headers { try Data("nothing".utf8).write(to: file) }
        let told = await code { try await vault.unlock(passphrase: passphrase) }
        #expect(told == .damaged || told == .tampered)
        #expect(await code { try await vault.create(passphrase: passphrase) } == .vaultExists)
    }
}
