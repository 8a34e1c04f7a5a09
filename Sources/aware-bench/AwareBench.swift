// The benchmarks, one subcommand for each table of figures.

import ArgumentParser

@main
struct AwareBench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aware-bench",
        abstract: "Measures aware beside its peers, side by side in one run.",
        subcommands: [HTTPBench.self, ScaleBench.self, LearnBench.self, SimulateBench.self, OpenLoop.self, FixedServer.self, IdleConnections.self])
}
