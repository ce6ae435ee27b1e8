// The stories that Kotlin and Swift have in common, on the real library.

import Clinic
import Foundation
import Pocketchart
import Testing

@Suite struct ScenarioTests {
    @Test(arguments: Story.all)
    func story(_ story: Story) async throws {
        let told = try await Teller().tell(story)
        #expect(told == story.steps.count && told > 0)
    }

    @Test func thereAreStories() {
        #expect(Story.all.count >= 14)
    }
}
