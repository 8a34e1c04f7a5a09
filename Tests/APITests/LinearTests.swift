// A longer input costs work in proportion, on every route that takes a body.

import Foundation
import HTTPServer
import Testing

@testable import API

@Suite(.serialized) struct LinearTests {
    private static var threadSeconds: Double {
        var time = timespec()
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }

    /// CPU time of this thread, the least of a few runs: what the machine does beside only ever adds.
    private static func seconds(_ work: () throws -> Void) rethrows -> Double {
        var least = Double.infinity
        for _ in 0..<4 {
            let begin = threadSeconds
            try work()
            least = min(least, threadSeconds - begin)
        }
        return least
    }

    /// Documents that grow in one respect.
    private static let shapes: [(name: String, make: @Sendable (Int) -> String)] = [
        ("members", { n in "{" + (0..<n).map { "\"member-\($0)\":\($0)" }.joined(separator: ",") + "}" }),
        ("repeated members", { n in "{" + (0..<n).map { "\"replicas\":\($0)" }.joined(separator: ",") + "}" }),
        ("colliding prefixes", { n in
            let prefix = String(repeating: "a", count: 40)
            return "{" + (0..<n).map { "\"\(prefix)\($0)\":0" }.joined(separator: ",") + "}"
        }),
        ("elements", { n in "[" + (0..<n).map { _ in "{}" }.joined(separator: ",") + "]" }),
        ("numbers of 19 digits", { n in "[" + (0..<n).map { _ in "9999999999999999999" }.joined(separator: ",") + "]" }),
        ("a long text", { n in "{\"reason\":\"" + String(repeating: "\\u00e9", count: 4 * n) + "\"}" }),
        ("a list in a member", { n in "{\"observations\":[" + (0..<n).map { _ in "{\"x\":1}" }.joined(separator: ",") + "]}" }),
        ("inputs", { n in "{\"inputs\":[" + (0..<n).map { "{\"name\":\"\($0)\"}" }.joined(separator: ",") + "]}" }),
        ("parameters", { n in "{\"shape\":{},\"parameters\":[" + (0..<n).map { _ in "null" }.joined(separator: ",") + "]}" }),
    ]

    @Test func readersTakeTimeLinearInTheDocument() throws {
        let readers: [(String, (JSONValue) -> Int)] = [
            ("object", { value in
                var reader = ObjectReader(value, at: "")
                _ = reader.integer("replicas", in: 0...1)
                reader.finish()
                return reader.errors.count
            }),
            ("profile", { ProfileCodec.decode($0).errors.count }),
            ("observation", { ObservationCodec.decode($0).errors.count }),
            ("weights", { WeightsCodec.decode($0).errors.count }),
        ]
        for (shape, make) in Self.shapes {
            let (small, large) = (make(8_000), make(64_000))
            for (name, read) in readers {
                var complaints = 0
                let once = try Self.seconds { try withJSON(small) { complaints = read($0) } }
                let eight = try Self.seconds { try withJSON(large) { complaints = max(complaints, read($0)) } }
                #expect(complaints <= ObjectReader.complaintsMax, "\(name), \(shape)")
                // Eight times the document: linear is 8, n log n 10, quadratic 64 and, at this length, many seconds.
                #expect(eight < 32 * once + 0.5, "\(name), \(shape): \(once) s, then \(eight) s")
            }
        }
    }

    @Test func noDocumentAsksForMoreValuesThanThereAre() throws {
        let text = "[" + String(repeating: "0,", count: JSONParser.valuesMax) + "0]"
        #expect(throws: JSONParser.ParseFailure.self) { try withJSON(text) { _ in } }
        let most = try withJSON("[" + String(repeating: "0,", count: JSONParser.valuesMax - 2) + "0]") { $0.count }
        #expect(most == JSONParser.valuesMax - 1)
    }

    @Test func everyRouteTakesTimeAndAnswersLinearInTheBody() async throws {
        try await withRest { server in
            for (method, pattern) in server.routes where method == .post || method == .put || method == .delete {
                let path = "/" + pattern.split(separator: "/").map { $0.hasPrefix("{") ? "1" : String($0) }.joined(separator: "/")
                for (shape, make) in Self.shapes {
                    var times: [Double] = []
                    for count in [10_000, 40_000] {
                        let body = make(count)
                        var least = Double.infinity
                        for _ in 0..<2 {
                            let begin = DispatchTime.now().uptimeNanoseconds
                            let answer = try await server.send("\(method.name)", path, body)
                            least = min(least, Double(DispatchTime.now().uptimeNanoseconds - begin) / 1e9)
                            #expect(answer.body.count <= 2 * body.utf8.count + 65_536, "\(method) \(pattern), \(shape): \(answer.body.count)")
                        }
                        times.append(least)
                    }
                    #expect(times[1] < 8 * times[0] + 1, "\(method) \(pattern), \(shape): \(times)")
                }
            }
        }
    }
}
