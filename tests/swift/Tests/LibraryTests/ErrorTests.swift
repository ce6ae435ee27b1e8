// Errors: the codes of the library and those of Swift are the same.

import Foundation
import Pocketchart
import Testing

@Suite struct ErrorTests {
    @Test func swiftKnowsEveryCodeOfTheLibraryAndNoOther() throws {
        let file = try #require(ProcessInfo.processInfo.environment["POCKETCHART_CODES"])
        let library = Set(try String(contentsOfFile: file, encoding: .utf8).split(separator: "\n").map(String.init))
        #expect(library.count > 50)
        #expect(Set(VaultError.Code.allCases.map(\.rawValue)) == library)
    }
}
