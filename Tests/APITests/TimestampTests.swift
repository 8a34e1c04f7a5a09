// RFC 3339 both ways, against the calendar of Foundation.

import Foundation
import Testing

@testable import API
import Base

@Suite struct TimestampTests {
    private static func seconds(_ text: String) -> Double? {
        Array(text.utf8).withUnsafeBufferPointer(Timestamp.seconds)
    }

    @Test func agreesWithFoundationOnEveryDay() {
        for day in stride(from: 0.0, to: 47_500, by: 1) {
            let time = day * 86_400 + (day * 7919).truncatingRemainder(dividingBy: 86_400)
            let text = Timestamp.text(time)
            #expect(text == Date(timeIntervalSince1970: time).ISO8601Format())
            #expect(Self.seconds(text) == time)
        }
    }

    @Test func writesMilliseconds() {
        #expect(Timestamp.text(0.25) == "1970-01-01T00:00:00.250Z")
        #expect(Timestamp.text(1_795_224_000.001) == "2026-11-21T01:20:00.001Z")
        #expect(Timestamp.text(.nan) == "1970-01-01T00:00:00Z" && Timestamp.text(-5) == "1970-01-01T00:00:00Z")
        #expect(Timestamp.text(1e300) == "9999-12-31T23:59:59Z")
    }

    @Test(arguments: [
        ("2026-11-21T01:20:00Z", 1_795_224_000), ("2026-11-21t01:20:00z", 1_795_224_000),
        ("2026-11-21T02:20:00+01:00", 1_795_224_000), ("2026-11-20T20:20:00-05:00", 1_795_224_000),
        ("2026-11-21T01:20:00.5Z", 1_795_224_000.5), ("2000-02-29T00:00:00Z", 951_782_400),
        ("1969-12-31T23:59:59Z", -1),
        ("2016-12-31T23:59:60Z", 1_483_228_800),
    ])
    func reads(text: String, expected: Double) { #expect(Self.seconds(text) == expected) }

    @Test(arguments: [
        "", "2026-11-21", "2026-11-21T01:20Z", "2026-11-21T01:20:00", "2026-11-21 01:20:00Z", "2026-11-31T01:20:00Z",
        "2100-02-29T00:00:00Z", "2026-00-10T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00", "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00ZZ", "+026-01-01T00:00:00Z", "2026-01-01T00:00:00+01", "2026-01-01T00:00:00+01:",
        "2026-01-01T00:00:00.123456789012345678901234567890Z",
    ])
    func refuses(text: String) { #expect(Self.seconds(text) == nil) }
}
