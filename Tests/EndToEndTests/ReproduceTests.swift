// `aware reproduce` and `aware evaluate` as programs: one JSON document each, in the documented form.

import Foundation
import Testing

@Suite struct ReproduceTests {
    /// The last line of a program's output: progress goes before it.
    private func document(_ arguments: [String]) async throws -> JSON {
        let program = try RunningProgram("aware", arguments)
        #expect(await program.exit() == 0, "\(program.output)")
        let lines = program.output.split(separator: "\n").filter { $0.hasPrefix("{") }
        #expect(lines.count == 1)
        return try JSON(String(lines.last ?? ""))
    }

    @Test func allExperimentsInAMinute() async throws {
        try await withFolder { folder in
            let result = try await document([
                "reproduce", "all", "--quick", "--json", "--plot", folder, "--curves", "/nowhere/curves.csv",
            ])
            let experiments = result["experiments"].items
            #expect(
                experiments.compactMap { $0["id"].string }
                    == ["rq1", "rq2", "rq3", "figure1", "instability", "embedding", "lives"])
            for experiment in experiments {
                #expect(!experiment["metrics"].items.isEmpty && !experiment["definitions"].items.isEmpty)
                for metric in experiment["metrics"].items {
                    #expect(metric["name"].string != nil && metric["arm"].string != nil)
                }
            }
            let published = experiments[1]["metrics"].items.compactMap { $0["paper"].number }
            #expect(published.contains(1.430) && published.contains(1.640))
            let plots = try FileManager.default.contentsOfDirectory(atPath: folder)
            #expect(plots.contains("figure1.svg") && plots.contains("embedding-memory.svg"))
        }
    }

    @Test func anEvaluationWithTheBasePolicyAndAChange() async throws {
        let result = try await document([
            "evaluate", "--applications", "2", "--windows", "1", "--arms", "hpa-vpa-default,base,planner", "--update",
            "ml-model", "--outages", "2", "--json",
        ])
        #expect(result["arms"].items.compactMap { $0["name"].string } == ["hpa-vpa-default", "base", "planner"])
        #expect(result["applications"].items.count == 2)
    }
}
