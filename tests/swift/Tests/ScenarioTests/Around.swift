// What a story does around the library: a hub of its own, the program, files.

import Clinic
import Foundation

/// A hub that runs for one story.
final class StoryHub {
    private let child: Child

    /// Makes its vault and starts it; answers with where it is and its token.
    init(place: URL) throws {
        let (home, ready) = (place.appendingPathComponent("hub"), place.appendingPathComponent("hub-ready"))
        let secret = ["--home", home.path, "--passphrase-file", place.appendingPathComponent("passphrase").path]
        if !FileManager.default.fileExists(atPath: home.path) {
            _ = try Program.run(secret + ["--quiet", "vault", "create"])
        }
        try? FileManager.default.removeItem(at: ready)
        let files = place.appendingPathComponent("hub-said")
        try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
        child = try Child(
            Program.file(), secret + ["hub", "--listen", "127.0.0.1:0", "--ready-file", ready.path], output: files)
        for _ in 0..<600 where !FileManager.default.fileExists(atPath: ready.path) {
            usleep(50_000)
        }
        told = try JSONDecoder().decode([String: String].self, from: Data(contentsOf: ready))
    }

    let told: [String: String]

    func stop() {
        child.stop()
    }
}

extension Teller {
    /// The answer, where the step is not the library's.
    func around(_ step: Story.Step, _ with: Inputs) async throws -> Value? {
        switch step.do {
        case "hub":
            let hub = try StoryHub(place: place.folder)
            self.hub = hub
            let (ca, token) = (hub.told["ca_file"] ?? "", hub.told["token_file"] ?? "")
            let secret = try String(contentsOfFile: token, encoding: .utf8)
            let told: [String: Value] = [
                "url": .text(hub.told["url"] ?? ""), "caFile": .text(ca), "tokenFile": .text(token),
                "ca": .text(try String(contentsOfFile: ca, encoding: .utf8)),
                "token": .text(secret.trimmingCharacters(in: .whitespacesAndNewlines)),
            ]
            saved.merge(told) { $1 }
            return .object(told)
        case "stopHub":
            hub?.stop()
            hub = nil
            return .null
        case "cli":
            return try program(with)
        case "file":
            let file = place.folder.appendingPathComponent(try with.text("name"))
            let text = try with.optional("text") ?? with.text("json")
            try text.write(to: file, atomically: true, encoding: .utf8)
            return .text(file.path)
        case "flip":
            let file = folder(of: step.on ?? "phone").appendingPathComponent(try with.text("file"))
            var bytes = try Data(contentsOf: file)
            let at = try with.number("at")
            bytes[at < 0 ? bytes.count + at : at] ^= 1
            try bytes.write(to: file)
            return .null
        case "joined":
            let device = try device(step.on ?? "phone")
            let home = place.home("hub")
            let hub = Hub(home: home)
            try await device.join(hub.code(forPhoneOf: with.text("patient")), at: hub)
            return .null
        default:
            return nil
        }
    }

    private func program(_ with: Inputs) throws -> Value {
        let home = place.home(try with.text("home"))
        let given = ["--home", home.path, "--passphrase-file", place.home("passphrase").path]
        let code = with.all["code"] == nil ? 0 : try with.number("code")
        let ran = try Program.run(given + with.texts("args"), expecting: Int32(code))
        return .object(["out": .text(ran.out), "err": .text(ran.err), "json": Value(lastLineOf: ran.out) ?? .null])
    }
}
