// The hub that the lane started, and its operator.

import Foundation

/// What went wrong around a test, in words.
public struct ClinicError: Error, CustomStringConvertible {
    public let description: String

    public init(_ description: String) {
        self.description = description
    }
}

/// The running hub. Its operator works through the program, as on a hub's own machine.
public enum Hub {
    /// Makes a code for a device that may hold everything, whose person works in `role`.
    public static func code(for device: String, person: String = "owner", role: String = "physician") throws -> String {
        let made = try operate(["--json", "--person", person, "hub", "enrol", "--device", device,
            "--facility", "north", "--role", role])
        return try field("code", of: made)
    }

    /// Makes a code for a patient's own phone.
    public static func code(forPhoneOf patient: String) throws -> String {
        try field("code", of: operate(["--json", "hub", "enrol", "--device", "phone of \(patient)", "--patient", patient]))
    }

    /// Lets in every device that waits.
    public static func approveDevices() throws {
        let people = try JSONSerialization.jsonObject(with: Data(operate(["--json", "hub", "devices"]).utf8))
        let devices = (people as? [String: Any])?["devices"] as? [[String: Any]] ?? []
        for device in devices where device["state"] as? String == "waiting" {
            if let fingerprint = device["fingerprint"] as? String {
                _ = try operate(["hub", "approve", fingerprint])
            }
        }
    }

    /// Certifies a person who was added on a device, in a role.
    public static func approve(person: String, role: String) throws {
        let people = try JSONSerialization.jsonObject(with: Data(operate(["--json", "hub", "devices"]).utf8))
        let members = (people as? [String: Any])?["members"] as? [[String: Any]] ?? []
        for member in members where member["person"] as? String == person && member["state"] as? String == "waiting" {
            if let fingerprint = member["fingerprint"] as? String {
                _ = try operate(["hub", "approve", fingerprint, "--role", role])
            }
        }
    }

    private static func field(_ name: String, of text: String) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
        guard let value = object?[name] as? String else { throw ClinicError("no \(name) in \(text)") }
        return value
    }

    private static func variable(_ name: String) throws -> String {
        guard let value = ProcessInfo.processInfo.environment[name] else {
            throw ClinicError("\(name) is not set: run tests/swift/run")
        }
        return value
    }

    private static func operate(_ arguments: [String]) throws -> String {
        let process = Process()
        let (out, err) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: try variable("POCKETCHART_PROGRAM"))
        process.arguments = ["--home", try variable("POCKETCHART_HUB")] + arguments
        (process.standardOutput, process.standardError) = (out, err)
        try process.run()
        let text = String(decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let words = String(decoding: err.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else { throw ClinicError("\(arguments): \(words)") }
        return text
    }
}
