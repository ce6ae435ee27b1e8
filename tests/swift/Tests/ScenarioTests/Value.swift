// What stands in a scenario and what the library answers, in one form, so that they can be compared.

import Foundation

/// A value of JSON.
enum Value: Sendable {
    case null
    case truth(Bool)
    case number(Double)
    case text(String)
    case list([Value])
    case object([String: Value])
}

extension Value: Decodable {
    init(from decoder: any Decoder) throws {
        let one = try decoder.singleValueContainer()
        if one.decodeNil() {
            self = .null
        } else if let value = try? one.decode(Bool.self) {
            self = .truth(value)
        } else if let value = try? one.decode(Double.self) {
            self = .number(value)
        } else if let value = try? one.decode(String.self) {
            self = .text(value)
        } else if let value = try? one.decode([Value].self) {
            self = .list(value)
        } else {
            self = .object(try one.decode([String: Value].self))
        }
    }

    /// The last line of a program's output, where it is JSON.
    init?(lastLineOf text: String) {
        guard let line = text.split(separator: "\n").last,
            let value = try? JSONDecoder().decode(Value.self, from: Data(line.utf8))
        else { return nil }
        self = value
    }
}

extension Value: Encodable {
    func encode(to encoder: any Encoder) throws {
        var one = encoder.singleValueContainer()
        switch self {
        case .null: try one.encodeNil()
        case .truth(let value): try one.encode(value)
        case .number(let value):
            if let whole = Int64(exactly: value) { try one.encode(whole) } else { try one.encode(value) }
        case .text(let value): try one.encode(value)
        case .list(let values): try one.encode(values)
        case .object(let members): try one.encode(members)
        }
    }

    /// As JSON, with the members in the order of their names.
    func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return String(decoding: try encoder.encode(self), as: UTF8.self)
    }
}

extension Value: Equatable {
    /// Texts are equal byte by byte: in Swift an e with an accent equals an e and an accent.
    static func == (one: Value, other: Value) -> Bool {
        switch (one, other) {
        case (.null, .null): true
        case (.truth(let one), .truth(let other)): one == other
        case (.number(let one), .number(let other)): one == other
        case (.text(let one), .text(let other)): one.utf8.elementsEqual(other.utf8)
        case (.list(let one), .list(let other)): one == other
        case (.object(let one), .object(let other)): one == other
        default: false
        }
    }
}

extension Value {
    /// Whatever the library gave back: records by their fields, enumerations by their names.
    init(of answer: Any) {
        let mirror = Mirror(reflecting: answer)
        switch answer {
        case let value as Value: self = value
        case let value as Bool: self = .truth(value)
        case let value as String: self = .text(value)
        case let value as any BinaryInteger: self = .number(Double(value))
        case is Void: self = .null
        default:
            switch mirror.displayStyle {
            case .optional: self = mirror.children.first.map { Value(of: $0.value) } ?? .null
            case .collection: self = .list(mirror.children.map { Value(of: $0.value) })
            case .enum: self = Self.enumeration(answer, mirror)
            default: self = .object(Self.fields(mirror))
            }
        }
    }

    private static func fields(_ mirror: Mirror) -> [String: Value] {
        var fields: [String: Value] = [:]
        for child in mirror.children { if let label = child.label { fields[label] = Value(of: child.value) } }
        return fields
    }

    private static func enumeration(_ answer: Any, _ mirror: Mirror) -> Value {
        guard let payload = mirror.children.first, let name = payload.label else {
            return .text("\(answer)".lowercased())
        }
        var fields = fields(Mirror(reflecting: payload.value))
        fields["is"] = .text(name.lowercased())
        return .object(fields)
    }

    /// The part at a path such as `items.0.reference` or `items.size`; the empty path is the whole.
    func part(_ path: String) -> Value? {
        var here = self
        for step in path.split(separator: ".").map(String.init) {
            switch here {
            case .object(let members):
                guard let member = members[step] else { return nil }
                here = member
            case .list(let values) where step == "size":
                here = .number(Double(values.count))
            case .list(let values):
                guard let at = Int(step), values.indices.contains(at) else { return nil }
                here = values[at]
            // A case without fields of an enumeration that has fields elsewhere.
            case .text where step == "is":
                break
            default:
                return nil
            }
        }
        return here
    }

    /// Whether it is what a scenario expects.
    func meets(_ expected: Value) -> Bool {
        guard case .object(let asked) = expected, asked.count == 1, let (how, what) = asked.first else {
            return self == expected
        }
        switch (how, self, what) {
        case ("has", .text(let text), .text(let part)): return text.range(of: part, options: .literal) != nil
        case ("has", .list(let values), _): return values.contains(what)
        case ("hasNot", .text, .text), ("hasNot", .list, _): return !meets(.object(["has": what]))
        case ("least", .number(let number), .number(let least)): return number >= least
        case ("not", _, _): return !meets(what)
        default: return self == expected
        }
    }
}
