// Records: stored, found, shown, deleted.

import Clinic
import Foundation
import Pocketchart
import Testing

private func weight(_ id: Int, of patient: String = "p1") -> String {
    #"{"resourceType":"Observation","id":"o\#(id)","status":"final","code":{"text":"Weight"},"subject":{"reference":"Patient/\#(patient)"},"valueQuantity":{"value":\#(id)}}"#
}

@Suite struct RecordTests {
    @Test(arguments: [
        "Ngô Thị Hồng 🌻", "שלום \u{202E}abc", "e\u{301} is not \u{E9}", "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}", "a\u{0}b".replacingOccurrences(of: "\u{0}", with: "\\u0000"),
    ])
    func aRecordComesBackByteForByte(_ name: String) async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        let json = "{ \"resourceType\" : \"Patient\",\n\t\"id\":\"p1\", \"name\":[{\"text\":\"\(name)\"}], \"multipleBirthInteger\": 1 }"
        let saved = try await session.put(json)
        #expect(saved.reference == "Patient/p1")
        #expect(saved.state == .queued)
        let record = try await session.get("Patient/p1")
        #expect(Array(record.json.utf8) == Array(json.utf8))
        #expect(record.state == .waiting)
        #expect(record.version == nil)
        #expect(record.updated.hasPrefix("20"))
        let page = try await session.search("Patient")
        #expect(page.items.count == 1)
    }

    @Test func whatIsThereAlreadyIsUnchanged() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.put(weight(1))
        #expect(try await session.put(weight(1)).state == .unchanged)
    }

    @Test func aDeletedRecordIsGone() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.put(weight(1))
        #expect(try await session.delete("Observation/o1").state == .withdrawn)
        #expect(await code { try await session.get("Observation/o1") } == .notFound)
        #expect(await code { try await session.delete("Observation/o1") } == .notFound)
    }

    @Test func allPagesHaveAllRowsOnce() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        for id in 0..<230 { try await session.put(weight(id)) }
        var (seen, cursor, pages) = ([String](), String?.none, 0)
        repeat {
            let page = try await session.search("Observation?_sort=_id&_count=50&_total=accurate", cursor: cursor)
            #expect(page.items.count <= 50)
            #expect(page.total == 230)
            seen += page.items.map(\.reference)
            cursor = page.next
            pages += 1
        } while cursor != nil
        #expect(pages == 5)
        #expect(Set(seen).count == 230 && seen.count == 230)
        let most = try await session.search("Observation?_count=5000")
        #expect(most.items.count == 100)
        #expect(most.next != nil)
        #expect(await code { try await session.search("Observation?_sort=_id", cursor: "made up") } == .badInput)
    }

    @Test func aRowIsWords() async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        try await session.put(#"{"resourceType":"Patient","id":"p1","name":[{"family":"Kim","given":["Ana"]}]}"#)
        try await session.put(weight(72))
        let rows = try await session.search("Observation?_include=Observation:subject").items
        let (row, along) = (try #require(rows.first), try #require(rows.last))
        #expect(row.kind == "Observation" && row.what == "Weight" && row.value?.hasPrefix("72") == true)
        #expect(row.isWaiting && !row.isIncluded)
        #expect(along.reference == "Patient/p1" && along.isIncluded && along.what.contains("Kim"))
    }

    @Test(arguments: ["", "Nothing", "Observation?nonsense=1", "Observation?code=", "?"])
    func whatIsNoSearchIsSaid(_ query: String) async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.search(query) } == .badInput)
    }

    @Test(arguments: ["", "{", "[]", #"{"resourceType":"Patient"}"#, #"{"resourceType":"Nothing","id":"1"}"#, #"{"resourceType":"Patient","id":"a b"}"#, #"{"id":"1"}"#])
    func whatIsNoResourceIsSaidAndNotStored(_ json: String) async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.put(json) } == .badInput)
        #expect(try await session.search("Patient").items.isEmpty)
    }

    @Test(arguments: ["", "Patient", "Patient/", "/1", "Patient/1/_history/1", "https://example.org/Patient/1"])
    func whatIsNoReferenceIsSaid(_ reference: String) async throws {
        let place = try Place()
        let (_, session) = try await place.open()
        #expect(await code { try await session.get(reference) } == .badInput)
        #expect(await code { try await session.delete(reference) } == .badInput)
    }

    @Test func idsOfRecordsAreNew() throws {
        let ids = try (0..<100).map { _ in try newRecordID() }
        #expect(Set(ids).count == 100)
        #expect(ids.allSatisfy { UUID(uuidString: $0) != nil })
        #expect(try libraryVersion().split(separator: ".").count == 3)
    }

    @Test func nothingOfARecordStandsInADescription() async throws {
        let place = try Place()
        let (vault, session) = try await place.open()
        try await session.put(#"{"resourceType":"Patient","id":"canary-id","name":[{"text":"Canary"}]}"#)
        let (page, record) = (try await session.search("Patient"), try await session.get("Patient/canary-id"))
        let with = UnlockWith.passphrase(person: "canary", text: "canary")
        var told = ["\(page)", "\(page.items)", "\(page.items.first as Any)", "\(record)", "\([record])", "\(with)", "\([with])"]
        told += ["\(session)", "\(vault)", "\(try await session.person())", "\(try await session.put(record.json))"]
        for bad in ["Patient/canary id", "Canary/1"] {
            do { _ = try await session.get(bad) } catch { told += ["\(error)", error.localizedDescription, String(reflecting: error)] }
        }
        #expect(told.count == 17)
        for text in told { #expect(!text.lowercased().contains("canary"), "\(text)") }
    }
}
