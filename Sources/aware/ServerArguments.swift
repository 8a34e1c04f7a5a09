// Arguments that name a server: URLs, and names with values.

import ArgumentParser
import Foundation
import Recommender

enum ServerArguments {
    static func isURL(_ text: String) -> Bool {
        (text.hasPrefix("http://") || text.hasPrefix("https://")) && URL(string: text)?.host != nil
    }

    static func options(_ url: String, _ flag: String, ca: String?) throws -> HTTPOptions {
        guard isURL(url) else { throw CommandFailure("\(flag) \(url) is no URL such as http://aware:8080.") }
        var options = HTTPOptions(base: url)
        options.tls.caFile = ca
        return options
    }

    /// `NAME: VALUE`, `NAME=VALUE`.
    static func pair(_ text: String, _ separator: Character, _ flag: String) throws -> (name: String, value: String) {
        guard let place = text.firstIndex(of: separator), place != text.startIndex else {
            throw CommandFailure("\(flag) \(text) is not NAME\(separator)VALUE.")
        }
        return (String(text[..<place]), String(text[text.index(after: place)...].drop { $0 == " " }))
    }
}
