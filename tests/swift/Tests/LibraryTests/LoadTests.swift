// Many calls at once, and what is given back.

import Clinic
import Foundation
import Pocketchart
import PocketchartFFI
import Testing

@Suite(.serialized) struct LoadTests {
    @Test func aThousandCallsAtOnce() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        for each in 0..<20 { try await session.put(#"{"resourceType":"Patient","id":"p\#(each)"}"#) }
        let right = try await withThrowingTaskGroup(of: Bool.self) { group in
            for each in 0..<1_000 {
                group.addTask {
                    switch each % 4 {
                    case 0: try await session.get("Patient/p\(each % 20)").reference == "Patient/p\(each % 20)"
                    case 1: try await session.search("Patient?_count=20").items.count == 20
                    case 2: try await session.put(#"{"resourceType":"Basic","id":"b\#(each)","code":{"text":"x"}}"#).state == .queued
                    default: try await session.person().isOwner
                    }
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(right == 1_000)
        #expect(try await session.search("Basic?_count=1&_total=accurate").total == 250)
    }
}
