// figure1: one life from the first episode to another application, with its stages (the paper's Figure 1).

import Agents
import Base
import ClusterModel
import Deciding
import Learning

/// AWARE beside an agent like FIRM's: from scratch, without retraining when the workload changes, transferred and
/// retrained when the application does.
enum EndToEndExperiment: Experiment {
    static let id = "figure1"

    /// Episodes at which the workload changes and the application is replaced, and the end (AWARE, USENIX ATC 2023).
    private struct Timeline: Sendable {
        var change = 805
        var replacement = 950
        var end = 1150

        /// A shorter life with the same proportions.
        init(scale: Double) {
            change = Int(Double(change) * scale)
            replacement = Int(Double(replacement) * scale)
            end = Int(Double(end) * scale)
        }
    }

    /// One life: R and stage of every episode.
    private struct Life: Sendable {
        var aware: [Double] = []
        var stages: [Stage] = []
        var firm: [Double] = []
        var rules: [Double] = []
        var violations = (aware: 0.0, firm: 0.0, rules: 0.0)
    }

    static func run(in context: ExperimentContext) throws -> ExperimentReport {
        let sizes = context.sizes
        let timeline = Timeline(scale: min(1, Double(sizes.budget) / 400))
        let lives = try context.map("figure1", sizes.endToEnd) { try live(context, $0, timeline) }
        let aware = Curve.mean(lives.map(\.aware))
        let firm = Curve.mean(lives.map(\.firm))
        let rules = Curve.mean(lives.map(\.rules))
        let scale = 2.0
        var findings: [Finding] = []
        func stretch(_ name: String, _ range: Range<Int>, aware paperAware: Double?, firm paperFirm: Double?) {
            let arms = [("AWARE", \Life.aware, paperAware), ("FIRM", \.firm, paperFirm), ("rules", \.rules, nil)]
            let clamped = range.clamped(to: 0..<timeline.end)
            // A life that was cut short does not have every stretch.
            guard !clamped.isEmpty else { return }
            for (arm, curve, paper) in arms {
                let values = lives.map { [scale * Array($0[keyPath: curve][clamped]).mean] }
                findings.append(Finding(name, arm, Bootstrap.mean(of: values, seed: context.seed), paper: paper))
            }
        }
        let isWhole = timeline.end == 1150
        stretch("reward of 200, episodes 0 to 50", 0..<50, aware: isWhole ? 127 : nil, firm: isWhole ? 13 : nil)
        stretch("episodes 200 to 250", 200..<250, aware: isWhole ? 153 : nil, firm: isWhole ? 92 : nil)
        stretch("episodes 0 to 500", 0..<500, aware: isWhole ? 158.9 : nil, firm: isWhole ? 92.1 : nil)
        stretch(
            "before the change", max(0, timeline.change - 100)..<timeline.change, aware: isWhole ? 190 : nil, firm: nil)
        stretch("after the change", timeline.change..<timeline.change + 30, aware: nil, firm: isWhole ? 169 : nil)
        stretch("after the switch", timeline.replacement..<timeline.replacement + 20, aware: nil, firm: nil)
        // How long each needs after the switch to come within 5 of what it ends with.
        for (arm, curve, paper) in [("AWARE", aware, 29.0), ("FIRM", firm, 188.0)] {
            let tail = Array(curve[timeline.replacement...])
            let goal = Array(tail.suffix(30)).mean - 2.5
            let reached = Curve.smoothed(tail, window: 10).first { $0.y >= goal }?.x ?? Double(tail.count)
            findings.append(
                Finding(
                    "episodes after the switch to within 5 of the end", arm,
                    Estimate(mean: reached, low: reached, high: reached), paper: isWhole ? paper : nil))
        }
        let total = lives.reduce((0.0, 0.0, 0.0)) {
            ($0.0 + $1.violations.aware, $0.1 + $1.violations.firm, $0.2 + $1.violations.rules)
        }
        for (arm, count) in [("AWARE", total.0), ("FIRM", total.1)] {
            let ratio = total.2 > 0 ? count / total.2 : .nan
            findings.append(
                Finding("violations relative to the rules", arm, Estimate(mean: ratio, low: ratio, high: ratio)))
        }
        return ExperimentReport(
            id: id, title: "End to end", definitions: definitions(lives, timeline), findings: findings,
            plots: [("figure1", plot(context, aware: aware, firm: firm, rules: rules, timeline, scale: scale))])
    }

    private static func live(_ context: ExperimentContext, _ index: Int, _ timeline: Timeline) throws -> Life {
        let applications = context.unseen.dropFirst(80)
        let first = context.schedule(applications[applications.startIndex + 2 * index % applications.count])
        let second = context.schedule(applications[applications.startIndex + (2 * index + 1) % applications.count])
        let change = WorkloadUpdate.all[index % 6]
        let changed = first.changed(by: change)
        var life = Life()
        func agent(_ schedule: EpisodeSchedule) throws -> ServedAgent {
            try ServedAgent(profile: schedule.application.profile, base: context.base, seed: context.seed)
        }
        var aware = try agent(first)
        let firm = try ServedAgent(
            profile: first.application.profile, base: nil, bootstraps: false, seed: context.seed)
        for number in 0..<timeline.end {
            // Another application is another agent; FIRM's keeps its weights and trains them further.
            if number == timeline.replacement {
                aware = try agent(second)
                try firm.hold(.online, true)
            }
            if number == timeline.change * 3 / 4 { try firm.hold(.serving, true) }
            let schedule = number < timeline.change ? first : number < timeline.replacement ? changed : second
            let trial = schedule.episode(number)
            life.stages.append(aware.stage)
            let ours = try aware.live(trial)
            let theirs = try firm.live(trial)
            if number == 0 { try firm.hold(.online, true) }
            let rules = ServingStudy.play(.bothDefault, trial)
            life.aware.append(ours.r)
            life.firm.append(theirs.r)
            life.rules.append(rules.r)
            life.violations.aware += ours.violations
            life.violations.firm += theirs.violations
            life.violations.rules += rules.violations
        }
        return life
    }

    private static func definitions(_ lives: [Life], _ timeline: Timeline) -> [String] {
        func share(_ stage: Stage, _ range: Range<Int>) -> Int {
            let all = lives.flatMap { $0.stages[range] }
            return all.isEmpty ? 0 : all.count { $0 == stage } * 100 / all.count
        }
        let parts = [
            ("before the change", 0..<timeline.change), ("after it", timeline.change..<timeline.replacement),
            ("with the second application", timeline.replacement..<timeline.end),
        ]
        return [
            "Means over \(lives.count) unseen applications of 100-step episodes, R doubled to the paper's scale of 200. "
                + "The workload changes in episode \(timeline.change); in episode \(timeline.replacement) another "
                + "application takes its place.",
            "AWARE: the served agent with the base policy; the second application begins with the rules, too. FIRM: the "
                + "served agent without a base policy and without bootstrapping, held in serving from episode "
                + "\(timeline.change * 3 / 4) on, so without retraining after the change; its weights are carried over and "
                + "trained on after the switch.",
        ]
            + parts.map { name, range -> String in
                let shares = [Stage.offline, .online, .serving].map { "\($0.rawValue) \(share($0, range)) %" }
                return "Stages \(name): \(shares.joined(separator: ", ")) of episodes."
            }
    }

    private static func plot(
        _ context: ExperimentContext, aware: [Double], firm: [Double], rules: [Double], _ timeline: Timeline, scale: Double
    ) -> Plot {
        func line(_ name: String, _ curve: [Double]) -> Plot.Line {
            Plot.Line(name: name, points: Curve.smoothed(curve.map { $0 * scale }, window: 10))
        }
        let published = context.publishedCurves.sorted { $0.key < $1.key }.map {
            Plot.Line(name: "\($0.key), paper", points: $0.value, isFaint: true)
        }
        return Plot(
            title: "End to end: change at \(timeline.change), other application at \(timeline.replacement)",
            xLabel: "episode", yLabel: "reward of 200, mean of ten",
            lines: [line("AWARE", aware), line("FIRM", firm), line("rules", rules)] + published)
    }
}
