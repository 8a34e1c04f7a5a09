// The settings of a server as flags. Each is also an environment variable and a member of the configuration file.

import ArgumentParser
import Foundation
import Service

extension Setting {
    var argument: ArgumentHelp { ArgumentHelp(stringLiteral: helpText).named(value) }
}

extension ArgumentHelp {
    fileprivate func named(_ value: String?) -> ArgumentHelp {
        var help = self
        help.valueName = value.map { $0.lowercased() }
        return help
    }
}

struct CommonOptions: ParsableArguments {
    @Option(
        help: "File of settings in YAML or JSON, one member for each flag below, such as `drain-delay: 5`. (default: none)")
    var config: String?

    @Option(help: Setting.listen.argument) var listen: String?
    @Option(help: Setting.data.argument) var data: String?
    @Option(help: Setting.seed.argument) var seed: String?
    @Option(help: Setting.loops.argument) var loops: String?
    @Option(help: Setting.durability.argument) var durability: String?
    @Option(help: Setting.tokenFile.argument) var tokenFile: String?
    @Flag(help: Setting.requireToken.argument) var requireToken = false
    @Flag(help: Setting.trustLoopback.argument) var trustLoopback = false
    @Flag(help: Setting.insecure.argument) var insecure = false
    @Option(help: Setting.allowHost.argument) var allowHost: [String] = []
    @Option(help: Setting.rateLimit.argument) var rateLimit: String?
    @Option(help: Setting.capacityCPU.argument) var capacityCpu: String?
    @Option(help: Setting.capacityMemory.argument) var capacityMemory: String?
    @Option(help: Setting.clock.argument) var clock: String?
    @Option(help: Setting.drainDelay.argument) var drainDelay: String?
    @Option(help: Setting.keepSteps.argument) var keepSteps: String?
    @Option(help: Setting.keepEpisodes.argument) var keepEpisodes: String?
    @Option(help: Setting.keepSize.argument) var keepSize: String?
    @Option(help: Setting.trainingBudget.argument) var trainingBudget: String?
    @Flag(help: Setting.neighbours.argument) var neighbours = false
    @Option(help: Setting.basePolicy.argument) var basePolicy: String?
    @Option(help: Setting.basePolicyTokenFile.argument) var basePolicyTokenFile: String?
    @Option(help: Setting.logLevel.argument) var logLevel: String?
    @Option(help: Setting.logFormat.argument) var logFormat: String?

    /// What is set by flags, by the environment and in the configuration file.
    func settings() throws -> Settings {
        var flags: [String: String] = [:]
        let given: [(Setting, String?)] = [
            (.listen, listen), (.data, data), (.seed, seed), (.loops, loops), (.durability, durability),
            (.tokenFile, tokenFile), (.requireToken, requireToken ? "true" : nil),
            (.trustLoopback, trustLoopback ? "true" : nil), (.insecure, insecure ? "true" : nil),
            (.allowHost, allowHost.isEmpty ? nil : allowHost.joined(separator: ",")), (.rateLimit, rateLimit),
            (.capacityCPU, capacityCpu), (.capacityMemory, capacityMemory), (.clock, clock), (.drainDelay, drainDelay),
            (.keepSteps, keepSteps), (.keepEpisodes, keepEpisodes), (.keepSize, keepSize),
            (.trainingBudget, trainingBudget), (.neighbours, neighbours ? "true" : nil), (.basePolicy, basePolicy),
            (.basePolicyTokenFile, basePolicyTokenFile), (.logLevel, logLevel),
            (.logFormat, logFormat),
        ]
        for (setting, value) in given { if let value { flags[setting.name] = value } }
        do {
            return try Settings(flags: flags, file: config ?? Self.environment("CONFIG"))
        } catch let error as SettingError {
            throw CommandFailure(error.description)
        }
    }

    /// The server's options.
    func serviceOptions(defaultData: String = "./aware-data", defaultListen: String = Setting.listen.standard) throws
        -> ServiceOptions
    {
        do {
            return try ServiceOptions(settings(), defaultData: defaultData, defaultListen: defaultListen)
        } catch let error as SettingError {
            throw CommandFailure(error.description)
        }
    }

    static func environment(_ name: String) -> String? {
        ProcessInfo.processInfo.environment["AWARE_" + name].flatMap { $0.isEmpty ? nil : $0 }
    }
}
