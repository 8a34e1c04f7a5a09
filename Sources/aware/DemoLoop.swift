// The recommender's loop of the demo, its progress lines and its summary.

import Foundation
import Recommender
import Scaling
import ClusterModel
import Experiments
import Synchronization

/// Runs on one thread of its own, because the client blocks. `stop` may be called from anywhere.
final class DemoLoop: @unchecked Sendable {
    /// Episodes at either end of a run that the summary compares.
    private static let compared = 20
    /// A fast run reports once in so many episodes.
    private static let episodesPerLine = 10

    private let applications: [DemoApplication]
    private let base: String
    private let steps: Int
    /// Steps at the beginning that do not wait for the clock.
    private let age: Int
    /// Seconds between two steps, `nil` for none.
    private let waits: Double?
    private let usesBasePolicy: Bool
    private let savings: Double
    /// A change of every workload, and the step before which it happens.
    private let update: (change: WorkloadUpdate, step: Int)?
    private let isStopped = Atomic<Bool>(false)

    init(
        _ applications: [DemoApplication], base: String, steps: Int, age: Int = 0, waits: Double?,
        usesBasePolicy: Bool, savings: Double = 0.5, update: (change: WorkloadUpdate, step: Int)? = nil
    ) {
        self.update = update
        self.savings = savings
        self.applications = applications
        self.base = base
        self.steps = steps
        self.age = age
        self.waits = waits
        self.usesBasePolicy = usesBasePolicy
    }

    func stop() { isStopped.store(true, ordering: .relaxed) }

    func onThreadOfItsOwn() async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let thread = Thread { [self] in continuation.resume(with: Result { try run() }) }
            thread.name = "aware.demo"
            thread.start()
        }
    }

    private func run() throws {
        let client = DecisionClient(base: base)
        defer { tellChanges(client) }
        for application in applications { try application.register(with: client, usesBasePolicy: usesBasePolicy, savings: savings) }
        if !showsOneLine { print(Self.heading) }
        defer { if showsOneLine { print("") } }
        let progress = ProgressLine()
        if waits == nil { progress.begin("playing", total: steps) }
        defer { if waits == nil { progress.finish() } }
        var step = 0
        while (steps == 0 || step < steps) && !isStopped.load(ordering: .relaxed) {
            if let update, update.step == step {
                for application in applications { application.apply(update.change) }
                print("step \(step): the workload changes, \(update.change.name)")
            }
            for application in applications {
                try application.advance(with: client)
                if application.hasJustClosedAnEpisode {
                    if waits(at: step) == nil { try client.waitUntilTrained(application.name) }
                    try application.followCalibration(client)
                }
            }
            step += 1
            if waits == nil { progress.advance(by: 1) }
            report(step)
            if let seconds = waits(at: step) { sleep(seconds) }
        }
    }

    private func waits(at step: Int) -> Double? { step < age ? nil : waits }

    /// In short pieces, so that a run stops soon after it was told to.
    private func sleep(_ seconds: Double) {
        let end = Date(timeIntervalSinceNow: seconds)
        while !isStopped.load(ordering: .relaxed), end.timeIntervalSinceNow > 0 {
            Thread.sleep(forTimeInterval: min(0.1, max(0.001, end.timeIntervalSinceNow)))
        }
    }

    /// What happened to the stages of the applications, as the server tells it.
    private func tellChanges(_ client: DecisionClient) {
        for application in applications {
            guard let changes = try? client.changes(of: application.name), !changes.isEmpty else { continue }
            print("\(application.name), changes of stage:")
            for change in changes { print("  \(change)") }
        }
    }

    // MARK: Output

    private static let heading =
        "application    step  stage    acts    version  reward  rules   replicas  cpu    violations  OOM"

    /// A live run on a terminal has one line that is written over; the page shows the rest.
    private var showsOneLine: Bool { waits != nil && isatty(STDOUT_FILENO) == 1 }

    private func showProgress(_ step: Int) {
        let policies = applications.count { $0.last?.source == "policy" }
        let what = step < age ? "living through its past, step \(step) of \(age)" : "live, step \(step)"
        print("\r\u{1B}[K\(what): the policy acts for \(policies) of \(applications.count). Ctrl-C stops.", terminator: "")
        fflush(nil)
    }

    /// A live run prints every step, a fast one and the past every tenth episode.
    private func report(_ step: Int) {
        if showsOneLine { return showProgress(step) }
        let waits = waits(at: step)
        let stepsPerLine = waits == nil ? Self.episodesPerLine * DemoApplication.episodeSteps : 1
        guard step % stepsPerLine == 0 else { return }
        let episodes = waits == nil ? Self.episodesPerLine : 1
        for application in applications {
            let learned = EpisodeFigures.sum(application.learned.suffix(episodes))
            let rules = EpisodeFigures.sum(application.rules.suffix(episodes))
            guard learned.steps > 0, let last = application.last else { continue }
            let line = [
                Self.pad(application.name, 12), Self.pad("\(step)", -7), "  ", Self.pad(last.stage, 9),
                Self.pad(last.source, 8), Self.pad("\(last.modelVersion)", -7), "  ",
                Self.pad(Self.fixed(learned.reward / Double(learned.steps), 3), -6), "  ",
                Self.pad(Self.fixed(rules.reward / Double(rules.steps), 3), -6), "  ",
                Self.pad("\(application.allocation.replicas)", -8), "  ",
                Self.pad(Self.fixed(learned.cpu / Double(learned.steps), 2), -5), "  ",
                Self.pad(Self.percent(learned.violations, learned.steps), -10), "  ",
                Self.pad("\(learned.oomKills)", -3),
            ].joined()
            print(line)
        }
        fflush(nil)
    }

    /// The table at the end: what the learned policies earned against the rules, at both ends of the run.
    func summary() -> String {
        var lines = [
            "",
            "Reward of a 100-step episode (ceiling 100), the service against its calibrated rules alone under the same load:",
            "application    first \(Self.compared) episodes     last \(Self.compared) episodes      violations       OOM kills     cpu used       bill an hour",
            "               service   rules    service   rules    service   rules  service rules service  rules  service  rules",
        ]
        var all:
            (first: [EpisodeFigures], last: [EpisodeFigures], firstRules: [EpisodeFigures], lastRules: [EpisodeFigures]) =
                ([], [], [], [])
        for application in applications {
            let learned = application.learned.filter { $0.steps == DemoApplication.episodeSteps }
            let rules = application.rules.filter { $0.steps == DemoApplication.episodeSteps }
            guard !learned.isEmpty else { continue }
            let first = (learned.prefix(Self.compared), rules.prefix(Self.compared))
            let last = (learned.suffix(Self.compared), rules.suffix(Self.compared))
            all.first += first.0
            all.firstRules += first.1
            all.last += last.0
            all.lastRules += last.1
            lines.append(
                Self.row(
                    application.name, EpisodeFigures.sum(first.0), EpisodeFigures.sum(first.1),
                    EpisodeFigures.sum(last.0), EpisodeFigures.sum(last.1)))
        }
        guard !all.first.isEmpty else { return "No episode was finished: the table needs 100 steps." }
        lines.append(
            Self.row(
                "all", EpisodeFigures.sum(all.first), EpisodeFigures.sum(all.firstRules), EpisodeFigures.sum(all.last),
                EpisodeFigures.sum(all.lastRules)))
        lines.append("Violations, OOM kills, utilisation and bill (a core-hour 1, a GiB-hour 0.125) are those of the last \(Self.compared) episodes.")
        return lines.joined(separator: "\n")
    }

    /// The same as one JSON document.
    func json() -> String {
        func side(_ figures: [EpisodeFigures]) -> JSON {
            let full = figures.filter { $0.steps == DemoApplication.episodeSteps }
            func means(_ some: ArraySlice<EpisodeFigures>) -> JSON {
                let sum = EpisodeFigures.sum(some)
                let steps = Double(max(1, sum.steps))
                return [
                    "episodes": .integer(some.count), "reward": .number(sum.reward / steps), "violations": .number(Double(sum.violations) / steps),
                    "oomKills": .integer(sum.oomKills), "cpuUtilization": .number(sum.cpu / steps), "billPerHour": .number(sum.bill / steps),
                ]
            }
            return ["first": means(full.prefix(Self.compared)), "last": means(full.suffix(Self.compared))]
        }
        return JSON.array(
            applications.map { ["application": .string($0.name), "service": side($0.learned), "rules": side($0.rules)] }).text
    }

    private static func row(
        _ name: String, _ first: EpisodeFigures, _ firstRules: EpisodeFigures, _ last: EpisodeFigures,
        _ lastRules: EpisodeFigures
    ) -> String {
        func reward(_ figures: EpisodeFigures) -> String {
            pad(fixed(figures.reward / Double(max(1, figures.steps)) * 100, 2), -8)
        }
        func share(_ sum: Double, _ steps: Int) -> String { pad(fixed(sum / Double(max(1, steps)), 3), -7) }
        return [
            pad(name, 14), reward(first), reward(firstRules), "  ", reward(last), reward(lastRules), "  ",
            pad(percent(last.violations, last.steps), -8), pad(percent(lastRules.violations, lastRules.steps), -8),
            "  ",
            pad("\(last.oomKills)", -6), pad("\(lastRules.oomKills)", -6), " ", share(last.cpu, last.steps),
            share(lastRules.cpu, lastRules.steps), "  ", share(last.bill, last.steps),
            share(lastRules.bill, lastRules.steps),
        ].joined()
    }

    /// Pads to `width`; a negative width puts the text at the right.
    private static func pad(_ text: String, _ width: Int) -> String {
        let fill = String(repeating: " ", count: max(0, abs(width) - text.count))
        return width < 0 ? fill + text : text + fill
    }

    private static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

    private static func percent(_ count: Int, _ of: Int) -> String {
        fixed(100 * Double(count) / Double(max(1, of)), 1) + "%"
    }
}
