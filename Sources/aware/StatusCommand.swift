// `aware status`: one screen from a running server. Is it well, who acts, and is that better than the rules?

import ArgumentParser
import Foundation
import Recommender

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "One screen from a running server: health, who acts, and how that compares with the rules.",
        discussion: "With the name of an application: that one, its last decisions and events. Exit status 1 when the server is not ready.")

    @Argument(help: "An application. (default: all, those that need attention first)") var application: String?
    @OptionGroup var running: RunningServerOptions
    @Option(help: "Rows at most; 1 to 500.") var limit = 20
    @Flag(help: "One JSON document on standard output.") var json = false

    func validate() throws {
        guard (1...500).contains(limit) else { throw ValidationError("--limit \(limit) is outside 1 to 500.") }
    }

    func run() throws {
        let reader = try running.reader()
        do {
            let isReady = try application.map { try one(reader, $0) } ?? all(reader)
            guard isReady else { throw ExitCode(1) }
        } catch let failure as ServerReader.Failure {
            throw CommandFailure(failure.description)
        }
    }

    // MARK: All

    private func all(_ reader: ServerReader) throws -> Bool {
        let ready = try reader.answer("/readyz")
        let list = try reader.get("/v1/applications?sort=attention&limit=\(limit)")
        let killSwitch = try? reader.get("/v1/killswitch")
        if json {
            print(JSON.object(["ready": .bool(ready.isSuccess), "readiness": .string(ready.text), "killSwitch": killSwitch ?? .null, "applications": list]).text)
            return ready.isSuccess
        }
        let counts = list["counts"]
        func count(_ name: String) -> Int { counts?[name]?.integer ?? 0 }
        print("\(reader.base): \(Self.readiness(ready))\(list["clock"]?.string == "observed" ? ", simulated clock" : "")")
        if killSwitch?["on"]?.bool == true { print("KILL SWITCH is on: the rules act for all. \(Self.who(killSwitch))") }
        print(
            "\(count("all")) applications: the policy acts for \(count("policy")), the rules for \(count("rules")), held \(count("hold")), pinned \(count("pin")); "
                + "\(count("alarm")) alarms, \(count("worse")) worse than the rules, \(count("overridden")) overridden by somebody")
        let items = list["items"]?.array ?? []
        guard !items.isEmpty else {
            print("Nothing has been observed yet. POST an observation to /v1/applications/NAME/decisions.")
            return ready.isSuccess
        }
        var rows = [["application", "acts", "stage", "runs", "reward", "- rules", "missed", "notes"]]
        for item in items {
            rows.append([
                item["name"]?.string ?? "", item["source"]?.string ?? "-", item["stage"]?.string ?? "", Self.size(item),
                Self.number(item["window"]?["reward"]), Self.difference(item["window"]), Self.percent(item["window"]?["violations"]),
                Self.notes(item),
            ])
        }
        print("\n" + TextTable.text(rows))
        if let total = list["total"]?.integer, total > items.count { print("and \(total - items.count) more: --limit, or the page at \(reader.base)") }
        return ready.isSuccess
    }

    // MARK: One

    private func one(_ reader: ServerReader, _ name: String) throws -> Bool {
        let path = "/v1/applications/\(RunningServerOptions.encoded(name))"
        let document = try reader.get(path)
        let decisions = try reader.get(path + "/decisions?limit=\(min(limit, 100))&observation=true")
        let events = try reader.get("/v1/events?limit=5&application=\(RunningServerOptions.encoded(name))")
        if json {
            print(JSON.object(["application": document, "decisions": decisions, "events": events]).text)
            return true
        }
        let status = document["status"]
        print("\(name): \(status?["stage"]?.string ?? ""), \(status?["source"]?.string ?? "nobody") acts, \(Self.size(status)); \(status?["objective"]?.string ?? "no objective")")
        print("reward \(Self.number(status?["window"]?["reward"])), difference to the rules \(Self.difference(status?["window"])), missed \(Self.percent(status?["window"]?["violations"])) of the steps")
        let notes = Self.notes(status)
        if !notes.isEmpty { print(notes) }
        print("")
        for decision in (decisions["items"]?.array ?? []).reversed() { print(DecisionSentence.text(decision)) }
        for event in (events["items"]?.array ?? []).reversed() { print(DecisionSentence.event(event)) }
        return true
    }

    // MARK: Words

    private static func readiness(_ answer: HTTPAnswer) -> String {
        guard !answer.isSuccess else { return "ready" }
        return "NOT READY: " + ((try? JSON.parse(answer.body))?["detail"]?.string ?? answer.text.trimmingCharacters(in: .whitespacesAndNewlines))
    }

    private static func who(_ act: JSON?) -> String {
        [act?["actor"]?.string.map { "by \($0)" }, act?["since"]?.string.map { "since \($0)" }, act?["reason"]?.string].compactMap { $0 }
            .joined(separator: ", ")
    }

    static func size(_ item: JSON?) -> String {
        guard let item, let replicas = item["replicas"]?.integer else { return "-" }
        return "\(replicas) x \(item["cpu"]?.string ?? "?") \(item["memory"]?.string ?? "?")"
    }

    private static func number(_ json: JSON?) -> String { json?.number.map { String(format: "%.3f", $0) } ?? "-" }
    private static func percent(_ json: JSON?) -> String { json?.number.map { String(format: "%.1f %%", $0 * 100) } ?? "-" }

    /// With its standard error; a single episode says nothing.
    private static func difference(_ window: JSON?) -> String {
        guard let difference = window?["difference"]?.number else { return "-" }
        return String(format: "%+.3f", difference) + (window?["standardError"]?.number.map { String(format: " ± %.3f", $0) } ?? "")
    }

    private static func notes(_ item: JSON?) -> String {
        var notes = (item?["overrides"]?.array ?? []).map { act in
            [act["kind"]?.string ?? act["name"]?.string ?? "overridden", who(act)].filter { !$0.isEmpty }.joined(separator: " ")
        }
        if let alarm = item?["window"]?["alarm"]?.string { notes.append("alarm: \(alarm)") }
        if item?["atLimit"]?.bool == true { notes.append("at the limit") }
        return notes.joined(separator: "; ")
    }
}
