// The scenario files.

import Foundation
import Testing

/// One story: one test.
struct Story: Decodable, Sendable, CustomTestStringConvertible {
    struct Step: Decodable, Sendable {
        let `do`: String
        let on: String?
        let with: [String: Value]?
        let save: [String: String]?
        let expect: [String: Value]?
        let error: String?
        let until: Bool?
    }

    let name: String
    let steps: [Step]

    var testDescription: String { name }

    /// All stories of tests/scenarios.
    static let all: [Story] = {
        guard let folder = ProcessInfo.processInfo.environment["POCKETCHART_SCENARIOS"],
            let files = try? FileManager.default.contentsOfDirectory(
                at: URL(fileURLWithPath: folder), includingPropertiesForKeys: nil)
        else { return [] }
        let stories = files.filter { $0.pathExtension == "json" }.sorted { $0.path < $1.path }.map { file in
            (try? JSONDecoder().decode([Story].self, from: Data(contentsOf: file)))
                // A file that cannot be read is a test that fails, not one that is left out.
                ?? [Story(name: "\(file.lastPathComponent) cannot be read", steps: [])]
        }
        return stories.flatMap { $0 }
    }()
}
