// Plays a story step by step.

import Clinic
import Foundation
import Pocketchart
import Testing

/// The devices of one story, and what was saved.
final class Teller {
    let place: Place
    var saved: [String: Value]
    var hub: StoryHub?
    private var devices: [String: Device] = [:]

    init() throws {
        place = try Place()
        saved = [
            "place": .text(place.folder.path),
            "passphrase": .text(passphrase),
            "other": .text("ferry thimble orchard 19"),
        ]
        try "\(passphrase)\n".write(to: place.folder.appendingPathComponent("passphrase"), atomically: true, encoding: .utf8)
    }

    deinit {
        hub?.stop()
    }

    func folder(of device: String) -> URL {
        place.home("device-\(device)")
    }

    func device(_ name: String) throws -> Device {
        if let device = devices[name] { return device }
        let device = try Device(home: folder(of: name))
        devices[name] = device
        return device
    }

    /// The number of steps that went as told.
    func tell(_ story: Story) async throws -> Int {
        var done = 0
        for (number, step) in story.steps.enumerated() {
            let at = Comment(rawValue: "step \(number + 1): \(step.do)")
            let with = Inputs(try (step.with ?? [:]).mapValues(filled))
            if step.until == true {
                try await until(step, with, at)
            } else if let error = step.error {
                let told = await failure { _ = try await self.answer(step, with) }
                try #require(told == error, at)
            } else {
                try check(step, try await described(at) { try await self.answer(step, with) }, at)
            }
            done += 1
        }
        return done
    }

    private func answer(_ step: Story.Step, _ with: Inputs) async throws -> Value {
        if let answer = try await around(step, with) { return answer }
        return try await device(step.on ?? "phone").act(step.do, with)
    }

    private func until(_ step: Story.Step, _ with: Inputs, _ at: Comment) async throws {
        for _ in 0..<200 {
            if let answer = try? await answer(step, with), try holds(step, answer) { break }
            try await Task.sleep(nanoseconds: 100_000_000)
        }
        try check(step, try await answer(step, with), at)
    }

    private func holds(_ step: Story.Step, _ answer: Value) throws -> Bool {
        try (step.expect ?? [:]).allSatisfy { path, expected in
            answer.part(path)?.meets(try filled(expected)) == true
        }
    }

    private func check(_ step: Story.Step, _ answer: Value, _ at: Comment) throws {
        for (path, expected) in step.expect ?? [:] {
            let found = try #require(answer.part(path), "\(at.rawValue): there is no '\(path)' in \(answer)")
            try #require(found.meets(try filled(expected)), "\(at.rawValue), \(path): \(found)")
        }
        for (name, path) in step.save ?? [:] {
            saved[name] = try #require(answer.part(path), at)
        }
    }

    /// Which step it was stands in the failure.
    private func described(_ at: Comment, _ work: () async throws -> Value) async throws -> Value {
        do {
            return try await work()
        } catch {
            throw ClinicError("\(at.rawValue): \(error)")
        }
    }

    private func failure(_ work: () async throws -> Void) async -> String {
        do {
            try await work()
            return "nothing failed"
        } catch let error as VaultError {
            return error.code.rawValue
        } catch {
            return "\(error)"
        }
    }

    /// With every `${name}` replaced by what was saved.
    private func filled(_ value: Value) throws -> Value {
        switch value {
        case .text(let text): return try filled(text)
        case .list(let values): return .list(try values.map(filled))
        case .object(let members):
            var out: [String: Value] = [:]
            for (name, value) in members {
                guard case .text(let name) = try filled(name) else { throw ClinicError("\(name) is no name") }
                out[name] = try filled(value)
            }
            return .object(out)
        default: return value
        }
    }

    private func filled(_ text: String) throws -> Value {
        var (out, rest) = ("", Substring(text))
        while let start = rest.range(of: "${"), let end = rest[start.upperBound...].firstIndex(of: "}") {
            let name = String(rest[start.upperBound..<end])
            guard let value = saved[name] else { throw ClinicError("nothing was saved as \(name)") }
            let isAll = start.lowerBound == text.startIndex && rest.index(after: end) == text.endIndex
            if isAll { return value }
            out += rest[..<start.lowerBound]
            if case .text(let part) = value { out += part } else { out += try value.json() }
            rest = rest[rest.index(after: end)...]
        }
        return .text(out + rest)
    }
}

/// What a step is given.
struct Inputs {
    let all: [String: Value]

    init(_ all: [String: Value]) {
        self.all = all
    }

    func text(_ name: String) throws -> String {
        guard let text = try optional(name) else { throw ClinicError("no \(name)") }
        return text
    }

    func optional(_ name: String) throws -> String? {
        switch all[name] {
        case .text(let text): text
        case nil, .null: nil
        case .some(let other): try other.json()
        }
    }

    func truth(_ name: String) -> Bool {
        all[name] == .truth(true)
    }

    func number(_ name: String) throws -> Int {
        guard case .number(let number) = all[name] else { throw ClinicError("no \(name)") }
        return Int(number)
    }

    func texts(_ name: String) -> [String] {
        guard case .list(let values) = all[name] else { return [] }
        return values.compactMap { if case .text(let text) = $0 { text } else { nil } }
    }
}
