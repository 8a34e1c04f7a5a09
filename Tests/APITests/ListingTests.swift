// The conventions of lists, asked for through real requests but without an application.

import HTTPServer
import Testing

@testable import API

@Suite struct ListingTests {
    @Test func bodiesNameTheNextPageOrNull() {
        let more = Listing.body(Listing.Result(items: Array("[1,2]".utf8), next: 17))
        #expect(String(decoding: more, as: UTF8.self) == #"{"items":[1,2],"nextCursor":"17"}"#)
        let end = Listing.body(Listing.Result(items: Array("[]".utf8), next: nil))
        #expect(String(decoding: end, as: UTF8.self) == #"{"items":[],"nextCursor":null}"#)
    }

    @Test func aPageContainsItsBeginningAndNotItsEnd() {
        var page = Listing.Page()
        #expect(page.limit == 50 && page.contains(0) && page.contains(1e12))
        page.since = 10
        page.until = 20
        #expect(page.contains(10) && page.contains(19.9) && !page.contains(20) && !page.contains(9.9))
    }
}
