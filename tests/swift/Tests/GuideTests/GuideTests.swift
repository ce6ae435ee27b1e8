// The ten lines of docs/guides/ios.md, as they stand there.

import Clinic
import Foundation
import Pocketchart
import Testing

@Suite struct GuideTests {
    @Test func theTenLinesRun() async throws {
        let place = try Place()
        let gate = ScriptedGate()
        let hub = try Hub.ofLane()
        let shown = Shown()
        try await tenLines(
            home: place.home(), gate: gate, passphrase: passphrase, code: hub.code(for: "guide"),
            writtenDown: { $0 }, approved: { fingerprint in try? hub.approve(fingerprint) },
            show: { page in await shown.add(page) })
        #expect(gate.asked == 1, "a finger was asked for once, at the end")
        #expect(await shown.rows.contains { $0.what == "Weight" })
        #expect(await shown.count >= 1)
    }
}

private actor Shown {
    private(set) var rows: [RecordSummary] = []
    private(set) var count = 0

    func add(_ page: SummaryPage) {
        rows += page.items
        count += 1
    }
}
