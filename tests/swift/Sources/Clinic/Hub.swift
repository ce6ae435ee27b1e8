// A running hub, and its operator at the hub's own machine.

import Foundation

/// The operator of the hub in a folder.
public struct Hub: Sendable {
    public let home: URL

    public init(home: URL) {
        self.home = home
    }

    /// The hub that the lane started.
    public static func ofLane() throws -> Hub {
        Hub(home: URL(fileURLWithPath: try Program.variable("POCKETCHART_HUB")))
    }

    /// Makes a code for a device that may hold everything, whose person works in `role`.
    public func code(for device: String, person: String = "owner", role: String = "physician") throws -> String {
        try text("code", of: operate(["--json", "--person", person, "hub", "enrol", "--device", device,
            "--facility", "north", "--role", role]))
    }

    /// Makes a code for a patient's own phone.
    public func code(forPhoneOf patient: String) throws -> String {
        try text("code", of: operate(["--json", "hub", "enrol", "--device", "phone of \(patient)", "--patient", patient]))
    }

    /// Lets in the device with this fingerprint, or certifies the person.
    public func approve(_ fingerprint: String, role: String? = nil) throws {
        _ = try operate(["hub", "approve", fingerprint] + (role.map { ["--role", $0] } ?? []))
    }

    /// Shuts out a device or a person's key.
    public func revoke(_ fingerprint: String) throws {
        _ = try operate(["hub", "revoke", fingerprint])
    }

    private func text(_ name: String, of json: String) throws -> String {
        let object = try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any]
        guard let value = object?[name] as? String else { throw ClinicError("no \(name) in \(json)") }
        return value
    }

    private func operate(_ arguments: [String]) throws -> String {
        try Program.run(["--home", home.path] + arguments).out
    }
}
