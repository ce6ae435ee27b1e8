// One device of a story: its vault, its session, and what the library is asked.

import Clinic
import Foundation
import Pocketchart

/// Ticks that have come so far.
final class Heard: @unchecked Sendable {
    private let lock = NSLock()
    private var (count, kinds, over) = (0, [String](), false)

    func hear(_ tick: Tick) { lock.withLock { (count, kinds) = (count + 1, tick.kinds) } }
    func end() { lock.withLock { over = true } }
    var value: Value {
        lock.withLock { .object(["count": .number(Double(count)), "kinds": Value(of: kinds), "over": .truth(over)]) }
    }
}

/// A phone or tablet.
final class Device {
    private let home: URL
    private let gate = ScenarioGate()
    private(set) var vault: Vault
    private var new: NewVault?
    private var newCode: NewRecoveryCode?
    private var open: Session?
    private var heard = Heard()

    init(home: URL) throws {
        self.home = home
        vault = try Vault(home: home)
    }

    /// The session; a story that uses a closed one is told so, since in Swift there is nothing left to ask.
    func session() throws -> Session {
        guard let open else { throw Closed() }
        return open
    }

    struct Closed: Error, CustomStringConvertible {
        let description = "closed"
    }

    /// Presents the code, is approved, and presents it again.
    func join(_ code: String, at hub: Hub) async throws {
        try await session().joinHub(code) { fingerprint in try? hub.approve(fingerprint) }
    }

    func act(_ what: String, _ with: Inputs) async throws -> Value {
        if let answer = try await opening(what, with) { return answer }
        if let answer = try await session().answer(what, with) { return answer }
        throw ClinicError("nobody knows how to do '\(what)'")
    }

    private func opening(_ what: String, _ with: Inputs) async throws -> Value? {
        switch what {
        case "vault":
            gate.kind = try with.text("gate")
            vault = try Vault(home: home, gate: gate.kind == "none" ? nil : gate)
        case "exists": return Value(of: try await vault.exists())
        case "slots": return Value(of: try await vault.slots())
        case "create":
            let draft = try await vault.create(passphrase: try with.text("passphrase"))
            new = draft
            return .text(try await draft.recoveryCode())
        case "confirm":
            guard let new else { throw Closed() }
            open = try await new.confirm(try with.text("typed"))
        case "abandon": try await new?.abandon()
        case "unlock": open = try await vault.unlock(Self.secret(with))
        case "wipe":
            if let open, try await open.lockState() != .locked {
                return Value(of: try await open.wipe(evenUnsent: with.truth("evenUnsent")))
            }
            return Value(of: try await vault.wipe(evenUnsent: with.truth("evenUnsent")))
        case "newRecoveryCode":
            let next = try await session().newRecoveryCode(present: Self.present(with), dropOthers: Self.drops(with))
            newCode = next
            return .text(try await next.code())
        case "confirmRecoveryCode":
            guard let newCode else { throw Closed() }
            return Value(of: try await newCode.confirm(try with.text("typed")))
        case "close": open = nil
        case "observe":
            let heard = Heard()
            self.heard = heard
            let ticks = try await session().observe(with.texts("kinds"))
            Task {
                for await tick in ticks { heard.hear(tick) }
                heard.end()
            }
        case "ticks": return heard.value
        case "judgePassphrase": return Value(of: try judgePassphrase(try with.text("text")))
        case "libraryVersion": return .text(try libraryVersion())
        default: return nil
        }
        return .null
    }

    static func secret(_ with: Inputs) throws -> UnlockWith {
        let person = try with.optional("person")
        if let text = try with.optional("passphrase") { return .passphrase(person: person, text: text) }
        if let digits = try with.optional("pin") { return .pin(person: person, digits: digits) }
        if let text = try with.optional("recoveryCode") { return .recoveryCode(text: text) }
        return .gate(slot: try with.optional("slot"), reason: try with.text("reason"))
    }
}
