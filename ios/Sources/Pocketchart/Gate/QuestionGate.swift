// Takes a question to a person back when the task that asked is cancelled.

import Foundation
import PocketchartFFI

/// The app's gate, with the questions that stand open. The library asks from a thread of its own, so the task that called
/// is not the one that waits for the finger; cancelling has to be passed on.
final class QuestionGate: KeyGate, @unchecked Sendable {
    private let inner: any KeyGate
    private let lock = NSLock()
    private var open: [UUID: Task<Data, any Error>] = [:]

    init(_ inner: any KeyGate) {
        self.inner = inner
    }

    /// Takes back what is being asked now.
    func withdraw() {
        lock.lock()
        let asked = Array(open.values)
        lock.unlock()
        asked.forEach { $0.cancel() }
    }

    func release(alias: String, sealed: Data, reason: String) async throws -> Data {
        let id = UUID()
        let question = Task { [inner] in try await inner.release(alias: alias, sealed: sealed, reason: reason) }
        keep(question, as: id)
        defer { keep(nil, as: id) }
        return try await withTaskCancellationHandler {
            try await question.value
        } onCancel: {
            question.cancel()
        }
    }

    func enroll(alias: String, policy: GatePolicy, secret: Data) async throws -> Data {
        try await inner.enroll(alias: alias, policy: policy, secret: secret)
    }

    func evaluate(alias: String, input: Data) async throws -> Data {
        try await inner.evaluate(alias: alias, input: input)
    }

    func destroy(alias: String) async throws {
        try await inner.destroy(alias: alias)
    }

    private func keep(_ question: Task<Data, any Error>?, as id: UUID) {
        lock.lock()
        open[id] = question
        lock.unlock()
    }
}
