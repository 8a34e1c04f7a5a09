// Runs the lifecycle through the text files in Scenarios: commands above each line of dashes, what happened below it.
//
// Set AWARE_REWRITE_SCENARIOS=1 to write the present behaviour into the files; read the difference before keeping it.

import Agents
import Foundation
import Scaling
import Testing
@testable import Base
@testable import Experiments

/// One application under a scenario's commands:
///
///     profile bootstrap=false window=5 online=0.8 serving=0.85 deviation=0.05
///     rules REWARD [xCOUNT] [~DEVIATION]       episodes in which the rules acted
///     policy REWARD [xCOUNT] [~DEVIATION]      episodes in which the policy acted
///     constant rules|policy REWARD [xCOUNT]    the same, while no metric changed
///     unmeasured [xCOUNT]                      episodes without any reward
///     candidate MEAN ERROR WINDOWS [DIFFERENCE]  the estimate of the latest version from now on; with the difference from the
///                                              rules, it is of one that came ready and does not explore; `candidate none`
///     force STAGE [hold]                       a person sets the stage
///     version                                  another version acts from now on
///     restart                                  everything is written and read again
///
/// `~` adds normally distributed noise from a generator that starts anew with each file.
private struct Scenario {
    private var lifecycle = Lifecycle()
    private var profile = Profile()
    private var estimate: Lifecycle.Estimate?
    private var random = SplitMix(seed: 1)

    /// Carries out one line and returns what happened, a line each.
    mutating func run(_ line: String) throws -> [String] {
        var words = line.split(separator: " ").map(String.init)
        switch words.removeFirst() {
        case "profile": try configure(words)
        case "rules": return try episodes(words, of: .rules)
        case "policy": return try episodes(words, of: .policy)
        case "constant":
            let actor: Actor = words.removeFirst() == "rules" ? .rules : .policy
            return try episodes(words, of: actor, areConstant: true)
        case "unmeasured": return try episodes(["0"] + words, of: .unmeasured)
        case "candidate":
            estimate = nil
            if words.count >= 3 {
                let difference = try words.count > 3 ? number(words[3]) : nil
                estimate = Lifecycle.Estimate(
                    mean: try number(words[0]), difference: difference, standardError: try number(words[1]),
                    windows: Int(try number(words[2])), explores: difference == nil)
            }
        case "force":
            let stage = try #require(Stage(rawValue: words[0]))
            if let change = lifecycle.force(stage, hold: words.last == "hold") { return ["\(change)"] }
        case "version": lifecycle.versionChanged()
        case "restart":
            var writer = ByteWriter()
            lifecycle.encode(into: &writer)
            var reader = ByteReader(writer.bytes)
            let copy = try Lifecycle(from: &reader)
            #expect(copy == lifecycle && reader.isAtEnd)
            lifecycle = copy
        default: Issue.record("unknown command: \(line)")
        }
        return []
    }

    var stage: String { "\(lifecycle.stage.rawValue) after \(lifecycle.episodes)" }

    private func number(_ word: some StringProtocol) throws -> Double { try #require(Double(String(word))) }

    private mutating func configure(_ words: [String]) throws {
        for word in words {
            let pair = word.split(separator: "=")
            switch pair[0] {
            case "bootstrap": profile.bootstrap = pair[1] == "true"
            case "window": profile.thresholds.window = Int(try number(pair[1]))
            case "online": profile.thresholds.online = try number(pair[1])
            case "serving": profile.thresholds.serving = try number(pair[1])
            case "deviation": profile.thresholds.deviation = try number(pair[1])
            default: Issue.record("unknown setting: \(word)")
            }
        }
    }

    private enum Actor { case rules, policy, unmeasured }

    private mutating func episodes(_ words: [String], of actor: Actor, areConstant: Bool = false) throws -> [String] {
        let mean = try number(words[0])
        let count = try words.first { $0.hasPrefix("x") }.map { Int(try number($0.dropFirst())) } ?? 1
        let deviation = try words.first { $0.hasPrefix("~") }.map { try number($0.dropFirst()) } ?? 0
        var lines: [String] = []
        for _ in 0..<count {
            let reward = mean + deviation * random.normal()
            let events = lifecycle.episodeEnded(
                policyReward: actor == .policy ? reward : nil, rulesReward: actor == .rules ? reward : nil,
                candidateEstimate: estimate, observationsAreConstant: areConstant, profile: profile)
            lines += events.map { "\($0)" }
        }
        return lines
    }
}

@Suite struct LifecycleScenarioTests {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Scenarios")

    static let names: [String] = ((try? FileManager.default.contentsOfDirectory(atPath: folder.path())) ?? [])
        .filter { $0.hasSuffix(".txt") }.sorted()

    @Test func scenariosExist() { #expect(!Self.names.isEmpty) }

    @Test(arguments: names) func behavesAsWritten(_ name: String) throws {
        let file = Self.folder.appending(path: name)
        let text = try String(contentsOf: file, encoding: .utf8)
        var scenario = Scenario()
        var written: [String] = []
        for block in text.components(separatedBy: "\n\n") {
            let parts = block.components(separatedBy: "\n----")
            guard parts.count == 2 else {
                written.append(block)
                continue
            }
            var happened: [String] = []
            for line in parts[0].split(separator: "\n") where !line.hasPrefix("#") {
                happened += try scenario.run(String(line))
            }
            happened.append("stage: \(scenario.stage)")
            written.append(parts[0] + "\n----\n" + happened.joined(separator: "\n"))
        }
        let actual = written.joined(separator: "\n\n").trimmingCharacters(in: .newlines) + "\n"
        if ProcessInfo.processInfo.environment["AWARE_REWRITE_SCENARIOS"] != nil {
            try actual.write(to: file, atomically: true, encoding: .utf8)
        } else {
            #expect(actual == text.trimmingCharacters(in: .newlines) + "\n")
        }
    }
}
