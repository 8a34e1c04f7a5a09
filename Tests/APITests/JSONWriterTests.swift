// What the writer writes is JSON, and says what it was given.

@testable import Base
import Foundation
import Scaling
import Testing

@testable import API

@Suite struct JSONWriterTests {
    private static func text(_ write: (inout JSONWriter) -> Void) -> String {
        var writer = JSONWriter(reserving: 1)
        write(&writer)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private static func read(_ text: String) throws -> Any {
        try JSONSerialization.jsonObject(with: Data(text.utf8), options: .fragmentsAllowed)
    }

    @Test func nests() {
        let text = Self.text { json in
            json.object { json in
                json.member("a", 1)
                json.array("b") { json in
                    json.element("x")
                    json.object { _ in }
                    json.array { _ in }
                    json.element(0.5)
                }
                json.object("c") { $0.null("d") }
                json.member("e", true)
                json.member("f", json: Array("[1]".utf8))
                json.member(named: "g\"", 2)
            }
        }
        #expect(text == #"{"a":1,"b":["x",{},[],0.5],"c":{"d":null},"e":true,"f":[1],"g\"":2}"#)
    }

    @Test func everyStringComesBack() throws {
        var strings = (0..<0x300).compactMap { Unicode.Scalar($0).map { "a\(Character($0))z" } }
        strings += [
            "", "\"", "\\", "\r\n", "\u{2028}\u{2029}", "日本", "\u{1F600}", String(repeating: "\"x", count: 5000),
        ]
        for string in strings {
            let text = Self.text { $0.array { $0.element(string) } }
            let back = try #require(try Self.read(text) as? [String])
            #expect(Array(back[0].utf8) == Array(string.utf8))
        }
    }

    /// Wherever it stands among eight bytes that are looked at together, and behind them.
    @Test func whatNeedsAnEscapeIsFoundEverywhere() throws {
        for character in ["\"", "\\", "\u{1F}", "\0", "\n"] {
            for position in 0..<20 {
                let string = String(repeating: "\u{7F}", count: position) + character + String(repeating: " é", count: 7)
                let text = Self.text { $0.array { $0.element(string) } }
                #expect(try Self.read(text) as? [String] == [string])
            }
        }
    }

    @Test func quantitiesAreWrittenAsTheirTexts() {
        for amount in [0, 1, 999, 1000, 1024, 1536, 640_000, 1 << 20, 805_306_368, 3 << 40, 1_000_000_000, -5, Int.max] {
            let text = Self.text { json in
                json.object { json in
                    json.member("c", Quantity.parts(millicores: amount))
                    json.member("m", Quantity.parts(bytes: amount))
                }
            }
            #expect(text == "{\"c\":\"\(Quantity.text(millicores: amount))\",\"m\":\"\(Quantity.text(bytes: amount))\"}")
        }
    }

    @Test(arguments: [Int.min, .max, 0, -1, 9, 10, 99, 100, 1_000_000_000_000, -1_000_000_000_000])
    func integersAreExact(value: Int) {
        #expect(Self.text { $0.object { $0.member("n", value) } } == "{\"n\":\(value)}")
    }

    @Test func everyPowerOfTenIsExact() {
        var power = 1
        for _ in 0..<18 {
            for value in [power - 1, power, -power] {
                #expect(Self.text { $0.object { $0.member("n", value) } } == "{\"n\":\(value)}")
            }
            power *= 10
        }
    }

    @Test(arguments: [
        (0.0, "0"), (-0.0, "0"), (1, "1"), (0.5, "0.5"), (-1.25, "-1.25"), (0.000001, "0.000001"), (0.0000004, "0"),
        (-0.0000004, "0"), (0.1 + 0.2, "0.3"), (999_999_999.9999996, "1000000000"), (1e9, "1000000000"),
        (123_456_789.123456, "123456789.123456"), (1.000001, "1.000001"), (.nan, "null"), (.infinity, "null"),
        (-.infinity, "null"), (0.99999996, "1"),
    ])
    func numbersHaveSixDecimals(value: Double, text: String) {
        #expect(Self.text { $0.array { $0.element(value) } } == "[\(text)]")
    }

    @Test func largeNumbersAreReadBackAsTheyWere() {
        for exponent in 9...308 {
            for factor in [1.0, -1.5, 1.2345678901234567] {
                let value = factor * pow(10, Double(exponent))
                guard value.isFinite else { continue }
                // Not by JSONSerialization, which rounds the last digit differently.
                let text = Self.text { $0.array { $0.element(value) } }
                #expect(Double(text.dropFirst().dropLast()) == value)
            }
        }
    }

    @Test func aResetWriterBeginsAnew() {
        var writer = JSONWriter()
        writer.array { $0.element("first") }
        writer.reset()
        writer.object { $0.member("second", 2) }
        #expect(String(decoding: writer.bytes, as: UTF8.self) == #"{"second":2}"#)
    }
}
