// Settings: the same names everywhere, flags before the environment before the file, and errors that say where.

import API
import Foundation
import Testing

@testable import Service
import Store

@Suite struct SettingsTests {
    private static func file(_ text: String) throws -> String {
        let path = FileManager.default.temporaryDirectory.appending(path: "aware-settings-\(UUID().uuidString)").path
        try text.write(toFile: path, atomically: true, encoding: .utf8)
        return path
    }

    @Test func flagsGoBeforeTheEnvironmentBeforeTheFile() throws {
        let path = try Self.file("seed: 3\nloops: 2\ndrain-delay: 1.5\nallow-host: [a.example, b.example]\n")
        defer { try? FileManager.default.removeItem(atPath: path) }
        let settings = try Settings(
            flags: ["seed": "1"], file: path, environment: ["AWARE_SEED": "2", "AWARE_LOOPS": "4", "AWARE_DATA": ""])
        #expect(settings.given(.seed) == .init(value: "1", origin: "--seed"))
        #expect(settings.given(.loops) == .init(value: "4", origin: "AWARE_LOOPS"))
        #expect(settings.given(.drainDelay) == .init(value: "1.5", origin: "drain-delay in \(path)"))
        #expect(settings.given(.data) == nil, "an empty variable is none")
        let options = try ServiceOptions(settings)
        #expect(options.seed == 1 && options.loops == 4 && options.drainDelay == .milliseconds(1500))
        #expect(options.security.allowedHosts == ["a.example", "b.example"])
    }

    @Test func jsonIsReadAsWell() throws {
        let path = try Self.file(#"{"listen": "127.0.0.1:0", "require-token": true, "keep-size": "none"}"#)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let options = try ServiceOptions(Settings(flags: [:], file: path, environment: [:]))
        #expect(options.security.requiresToken && options.retention.size == nil)
    }

    @Test(arguments: [
        ("lissten: 1", "lissten in FILE is no setting. Known: allow-host"), ("- a", "a mapping is expected"),
        ("seed: {a: 1}", "seed in FILE: a text, a number or a list"), ("a: [", "neither YAML nor JSON"),
        // Found by deploy/fuzz: Yams traps on a name that is no text, and follows aliases as often as they are named.
        ("seed: +1100016401006401400:4", "neither YAML nor JSON: +1100016401006401400:4 is a number in base 60 to YAML: put it in quotes"),
        ("{[a, b]: 1}", "neither YAML nor JSON: a member's name that is a list"),
        ("a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\n"
            + "e: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e]\n", "more than 16 aliases"),
        ("a: &a [\(String(repeating: "1,", count: 40))1]\nb: &b [*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c]\ne: [\(String(repeating: "1,", count: 140_000))1]",
            "more than 131072 nodes"),
        ("drain-delay: 61", "drain-delay in FILE: 61 is outside 0 to 60"), ("clock: sun", "is not one of: wall, observed"),
        ("log-level: loud", "is not one of: trace"), ("keep-steps: 3", "not a time such as 30d"),
    ])
    func whatIsWrongSaysWhere(_ text: String, _ message: String) throws {
        let path = try Self.file(text)
        defer { try? FileManager.default.removeItem(atPath: path) }
        let error = #expect(throws: SettingError.self) {
            _ = try ServiceOptions(Settings(flags: [:], file: path, environment: [:]))
        }
        let found = try #require(error).description
        #expect(found.contains(message.replacing("FILE", with: path)), "\(found)")
    }

    @Test func secretsStayOutOfTheLogAndNamesAreDistinct() throws {
        let settings = try Settings(flags: [:], file: nil, environment: ["AWARE_TOKENS": "ci read abcdefghijklmnopqrst"])
        let shown = settings.inForce().map { "\($0.name)=\($0.value)" }.joined(separator: " ")
        #expect(!shown.contains("abcdefgh") && shown.contains("tokens=(hidden)"))
        #expect(Set(Setting.all.map(\.variable)).count == Setting.all.count)
        #expect(Settings.unknown(in: ["AWARE_LISTN": "1", "AWARE_LISTEN": "1", "PATH": "x"]) == ["AWARE_LISTN"])
    }

    /// The guide's table lists exactly these settings.
    @Test func theGuideListsEverySetting() throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        let guide = try String(contentsOf: root.appending(path: "Public/guide-operating.html"), encoding: .utf8)
        for setting in Setting.all { #expect(guide.contains("<td><code>\(setting.name)</code></td>"), "\(setting.name) is not in the guide") }
    }
}
