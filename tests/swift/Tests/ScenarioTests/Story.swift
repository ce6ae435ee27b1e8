// The scenario files.

import Clinic
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

        private enum CodingKeys: String, CodingKey, CaseIterable {
            case `do`, on, with, save, expect, error, until
        }

        /// A misspelt member would be a check that is never made.
        init(from decoder: any Decoder) throws {
            let known = Set(CodingKeys.allCases.map(\.rawValue))
            let all = try decoder.singleValueContainer().decode([String: Value].self)
            guard known.isSuperset(of: all.keys) else { throw ClinicError("a step says \(Set(all.keys).subtracting(known))") }
            let step = try decoder.container(keyedBy: CodingKeys.self)
            `do` = try step.decode(String.self, forKey: .do)
            on = try step.decodeIfPresent(String.self, forKey: .on)
            with = try step.decodeIfPresent([String: Value].self, forKey: .with)
            save = try step.decodeIfPresent([String: String].self, forKey: .save)
            expect = try step.decodeIfPresent([String: Value].self, forKey: .expect)
            error = try step.decodeIfPresent(String.self, forKey: .error)
            until = try step.decodeIfPresent(Bool.self, forKey: .until)
        }
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
