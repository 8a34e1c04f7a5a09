// The command line's root: what `aware` can do.

import ArgumentParser

@main
struct Aware: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "aware",
        abstract: "A policy server for autoscaling: it decides replicas and sizes, safely, and says why.",
        version: "0.1.0",
        subcommands: [
            ServeCommand.self, RecommendCommand.self, DemoCommand.self, ReplayCommand.self, EvaluateCommand.self, ReproduceCommand.self, TrainCommand.self, TokenCommand.self,
            StatusCommand.self, TailCommand.self, ExportCommand.self, ImportCommand.self, ImportTraceCommand.self, RoutesCommand.self, OpenAPICommand.self,
            BackupCommand.self, RestoreCommand.self, DoctorCommand.self, VersionCommand.self,
        ])
}
