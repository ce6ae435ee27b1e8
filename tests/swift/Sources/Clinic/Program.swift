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
        let (process, out, err) = (Process(), Pipe(), Pipe())
        process.executableURL = try file()
        process.arguments = arguments
        process.standardInput = FileHandle.nullDevice
        (process.standardOutput, process.standardError) = (out, err)
        try process.run()
        let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let words = String(decoding: err.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == code else {
            throw ClinicError("\(arguments) ended with \(process.terminationStatus): \(words)\(text)")
        }
        return (text, words)
    }

    /// Writes down a process that a test started and may leave behind, should it be cut off: the lane ends it then.
    public static func remember(_ process: Process) {
        guard let folder = try? variable("POCKETCHART_STARTED") else { return }
        let file = URL(fileURLWithPath: folder).appendingPathComponent("\(process.processIdentifier)")
        _ = FileManager.default.createFile(atPath: file.path, contents: nil)
    }

    /// And that it has ended: its number may be another's by now.
    public static func forget(_ process: Process) {
        guard let folder = try? variable("POCKETCHART_STARTED") else { return }
        try? FileManager.default.removeItem(atPath: "\(folder)/\(process.processIdentifier)")
    }
}
