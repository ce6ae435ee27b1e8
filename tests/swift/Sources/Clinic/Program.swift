// The program of this repository, as the lane built it.

import Foundation

/// What went wrong around a test, in words.
public struct ClinicError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// Runs `pocketchart`.
public enum Program {
    /// Where it is.
    public static func file() throws -> URL {
        URL(fileURLWithPath: try variable("POCKETCHART_PROGRAM"))
    }

    /// What the lane says in a variable.
    public static func variable(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            throw ClinicError("\(name) is not set: run tests/swift/run")
        }
        return value
    }

    /// Runs it to its end; another exit code than `expecting` is an error.
    public static func run(_ arguments: [String], expecting code: Int32 = 0) throws -> (out: String, err: String) {
        let files = FileManager.default.temporaryDirectory.appendingPathComponent("told-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: files) }
        let child = try Child(file(), arguments, output: files)
        let ended = child.wait()
        let (out, err) = (child.told("out"), child.told("err"))
        guard ended == code else { throw ClinicError("\(arguments) ended with \(ended): \(err)\(out)") }
        return (out, err)
    }
}
