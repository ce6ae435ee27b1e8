// What an open session is asked in a story.

import Clinic
import Foundation
import Pocketchart

extension Session {
    /// The answer; `nil`: nobody knows what that is.
    func answer(_ what: String, _ with: Inputs) async throws -> Value? {
        if let answer = try await ofPeople(what, with) { return answer }
        if let answer = try await ofRecords(what, with) { return answer }
        if let answer = try await ofServers(what, with) { return answer }
        return try await ofVisits(what, with)
    }

    private func ofPeople(_ what: String, _ with: Inputs) async throws -> Value? {
        switch what {
        case "lock": try await lock()
        case "background": try background()
        case "foreground": try foreground()
        case "pause": try await pause()
        case "resume": try await resume()
        case "lockState": return Value(of: try lockState())
        case "person": return Value(of: try person())
        case "people": return Value(of: try await people())
        case "switchPerson": return Value(of: try await switchPerson(Device.secret(with)))
        case "sessionSlots": return Value(of: try slots())
        case "addSlot": return Value(of: try await addSlot(Device.slot(with)))
        case "addPerson":
            return Value(of: try await addPerson(with.text("id"), role: with.text("role"), slot: Device.slot(with)))
        case "removeSlot":
            return Value(of: try await removeSlot(
                with.text("id"), present: Device.present(with), dropOthers: Device.drops(with)))
        case "verifyRecoveryCode": return .truth(try await verifyRecoveryCode(with.text("text")))
        case "openedByRecoveryCode": return .truth(try openedByRecoveryCode())
        case "whoSaw": return Value(of: try await whoSaw(with.text("patient"), cursor: with.optional("cursor")))
        case "warnings": return Value(of: try await warnings())
        case "acceptLoss": try await acceptLoss()
        default: return nil
        }
        return .null
    }

    private func ofRecords(_ what: String, _ with: Inputs) async throws -> Value? {
        switch what {
        case "search": return Value(of: try await search(with.text("query"), cursor: with.optional("cursor")))
        case "get": return Value(of: try await get(with.text("reference")))
        case "delete": return Value(of: try await delete(with.text("reference")))
        case "put": return Value(of: try await put(with.text("json")))
        case "conflicts": return Value(of: try await conflicts())
        case "outbox": return Value(of: try await outbox())
        case "quarantine": return Value(of: try await quarantine())
        case "conflict": return Value(of: try await conflict(with.text("reference")))
        case "resolve":
            let (name, how) = (try with.text("reference"), try Device.resolution(with))
            guard let seen = with.all["seen"] else { return Value(of: try await resolve(name, how)) }
            return Value(of: try await resolve(name, how, seen: seen == .null ? nil : with.text("seen")))
        case "sendAgain": try await sendAgain(with.text("reference"))
        case "discardRefused": try await discardRefused(with.text("reference"))
        default: return nil
        }
        return .null
    }

    private func ofServers(_ what: String, _ with: Inputs) async throws -> Value? {
        switch what {
        case "joinHub": return Value(of: try await joinHub(with.text("code")))
        case "addServer":
            return Value(of: try await addServer(with.text("url"), token: with.optional("token"),
                authority: with.optional("caPem"), patient: with.optional("patient")))
        case "servers": return Value(of: try servers())
        case "syncState": return Value(of: try await syncState())
        case "sync": return try await synced(with)
        default: return nil
        }
    }

    private func synced(_ with: Inputs) async throws -> Value {
        let server = try with.optional("server")
        if with.truth("cancelled") {
            let task = Task {
                while !Task.isCancelled { await Task.yield() }
                return try await self.sync(server: server)
            }
            task.cancel()
            return Value(of: try await task.value)
        }
        let (progress, out) = AsyncStream.makeStream(of: SyncProgress.self)
        let counting = Task { await progress.reduce(into: 0) { count, _ in count += 1 } }
        let report = try await sync(server: server, progress: out)
        guard case .object(var answer) = Value(of: report) else { return .null }
        answer["progress"] = .number(Double(await counting.value))
        return .object(answer)
    }

    private func ofVisits(_ what: String, _ with: Inputs) async throws -> Value? {
        switch what {
        case "freeTimes": return Value(of: try await freeTimes(Device.filter(with)))
        case "askForVisit":
            let wanted: Inputs = if case .object(let members) = with.all["wanted"] { Inputs(members) } else { with }
            return Value(of: try await askForVisit(VisitWish(
                patient: with.text("patient"), reason: with.optional("reason") ?? "", slot: with.optional("slot"),
                wanted: Device.filter(wanted), nextBest: with.truth("nextBest"))))
        case "chooseTime": return Value(of: try await chooseTime(with.text("slot"), forVisit: with.text("visit")))
        case "callOff": return Value(of: try await callOff(visit: with.text("visit")))
        case "visits": return Value(of: try await visits())
        default: return nil
        }
    }
}

extension Device {
    static func slot(_ with: Inputs) throws -> NewSlot {
        let name = try with.optional("name") ?? ""
        if let text = try with.optional("passphrase") {
            return .passphrase(name: name, text: text, onThisDeviceOnly: with.truth("here"))
        }
        if let digits = try with.optional("pin") { return .pin(name: name, digits: digits) }
        return .gate(name: name)
    }

    static func present(_ with: Inputs) throws -> [UnlockWith] {
        guard case .list(let all) = with.all["present"] else { return [] }
        return try all.map { one in
            guard case .object(let members) = one else { throw ClinicError("present: a list of objects") }
            return try secret(Inputs(members))
        }
    }

    static func drops(_ with: Inputs) -> Bool {
        with.truth("dropOthers")
    }

    static func resolution(_ with: Inputs) throws -> Resolution {
        if let json = try with.optional("json") { return .edited(json: json) }
        if case .object(let paths) = with.all["paths"] {
            return .byPath(choices: paths.map { path, side in
                PathChoice(path: path, side: side == .text("mine") ? .mine : .theirs)
            })
        }
        return try with.text("take") == "mine" ? .mine : .theirs
    }

    static func filter(_ with: Inputs) throws -> FreeTimesFilter {
        let isVirtual: Bool? = if case .truth(let truth) = with.all["isVirtual"] { truth } else { nil }
        return FreeTimesFilter(
            practitioners: with.texts("practitioners"), serviceType: try with.optional("serviceType"),
            isVirtual: isVirtual, from: try with.optional("from"), until: try with.optional("until"),
            timeOfDay: try with.optional("timeOfDay"), days: try with.optional("days"))
    }
}
