// A process. Foundation's own notices an end by a socket that other children inherit, and reads pipes likewise: beside a
// hub that runs on, neither ever ends.

import Foundation

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A program that runs, with what it says in two files.
public final class Child: Sendable {
    private let pid: pid_t
    private let output: URL

    /// Starts it. `output` is a folder for the files `out` and `err`.
    public init(_ program: URL, _ arguments: [String], output: URL) throws {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        for (number, name) in [(Int32(1), "out"), (2, "err")] {
            let file = output.appendingPathComponent(name).path
            posix_spawn_file_actions_addopen(&actions, number, file, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
        }
        // Threads of tasks hold every signal back, and a child begins as they are: it would never hear that it is to end.
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        let environment = ProcessInfo.processInfo.environment.map { "\($0)=\($1)" }
        var (given, around) = (Self.texts([program.path] + arguments), Self.texts(environment))
        defer { (given + around).forEach { free($0) } }
        var started = pid_t()
        let error = posix_spawn(&started, program.path, &actions, &attributes, &given, &around)
        guard error == 0 else { throw ClinicError("\(program.path) does not start: \(error)") }
        (pid, self.output) = (started, output)
        try? Data().write(to: try Self.note(of: started))
    }

    private static func texts(_ all: [String]) -> [UnsafeMutablePointer<CChar>?] {
        all.map { strdup($0) } + [nil]
    }

    /// A file that names it while it runs: the lane ends what a test that was cut off left behind.
    private static func note(of pid: pid_t) throws -> URL {
        URL(fileURLWithPath: try Program.variable("POCKETCHART_STARTED")).appendingPathComponent("\(pid)")
    }

    /// What it said so far.
    public func told(_ name: String) -> String {
        (try? String(contentsOf: output.appendingPathComponent(name), encoding: .utf8)) ?? ""
    }

    /// Waits for its end: the exit code, or -1 where a signal ended it.
    @discardableResult
    public func wait() -> Int32 {
        var status: Int32 = 0
        while waitpid(pid, &status, 0) == -1 && errno == EINTR {}
        if let note = try? Self.note(of: pid) { try? FileManager.default.removeItem(at: note) }
        return status & 0x7f == 0 ? (status >> 8) & 0xff : -1
    }

    /// Asks it to end, and waits.
    public func stop() {
        kill(pid, SIGTERM)
        wait()
    }
}
