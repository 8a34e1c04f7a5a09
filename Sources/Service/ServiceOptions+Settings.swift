// Turns settings into options: each value is checked, and what is wrong with it says where it was given.

import API
import Agents
import Foundation
import HTTPServer
import Logging
import Operations
import Scaling
import Store

extension ServiceOptions {
    /// - Throws: `SettingError`, `TokenFile.Failure`.
    public init(_ settings: Settings, defaultData: String = "./aware-data", defaultListen: String = Setting.listen.standard)
        throws
    {
        self.init()
        dataFolder = settings.given(.data)?.value ?? defaultData
        let address = settings.given(.listen) ?? .init(value: defaultListen, origin: "--listen")
        do {
            listen = [try ListenAddress(address.value)]
        } catch {
            throw SettingError("\(address.phrase): \(error)")
        }
        if let seed = try settings.number(.seed, UInt64.self) { self.seed = seed }
        if let loops = try settings.number(.loops, Int.self, in: 1...64) { self.loops = loops }
        if let kind = try settings.choice(.clock, ["wall", "observed"]), kind == "observed" {
            guard listen.allSatisfy(\.isLoopback) else {
                throw SettingError(
                    "--clock observed lets every client set the time, so it goes with a loopback address only, not with --listen \(address.value).")
            }
            followsObservedTime = true
        }
        if let kind = try settings.choice(.durability, Store.Database.Durability.allCases.map(\.rawValue)) {
            durability = Store.Database.Durability(rawValue: kind) ?? .normal
        }
        if let seconds = try settings.number(.drainDelay, Double.self, in: 0...60) {
            drainDelay = .milliseconds(Int(seconds * 1000))
        }
        if let budget = try settings.number(.trainingBudget, Double.self, in: 0...10_000) { trainingBudget = budget }
        asksNeighbours = try settings.switched(.neighbours)
        basePolicy = settings.given(.basePolicy)?.value
        basePolicyTokenFile = settings.given(.basePolicyTokenFile)?.value
        security = try Self.security(settings)
        capacity = try Self.capacity(settings)
        retention = try Self.retention(settings)
        log = try Self.log(settings)
    }

    private static func security(_ settings: Settings) throws -> SecurityOptions {
        var security = SecurityOptions()
        if let file = settings.given(.tokenFile) { security.tokenFiles = [file.value] }
        if let lines = settings.given(.tokens) { security.tokens = try TokenFile.parse(lines.value, source: lines.origin) }
        security.requiresToken = try settings.switched(.requireToken)
        security.trustsLoopback = try settings.switched(.trustLoopback)
        security.isInsecure = try settings.switched(.insecure)
        if let hosts = settings.given(.allowHost) { security.allowedHosts = hosts.value.split(separator: ",").map(String.init) }
        if let rate = try settings.number(.rateLimit, Double.self, in: 0...1e9) { security.requestsPerSecond = rate }
        return security
    }

    private static func capacity(_ settings: Settings) throws -> Capacity? {
        func amount(_ setting: Setting, _ parse: (String) -> Int?) throws -> Int? {
            guard let given = settings.given(setting) else { return nil }
            guard let amount = parse(given.value), amount > 0 else {
                throw SettingError("\(given.phrase) is not a positive Kubernetes quantity.")
            }
            return amount
        }
        let cpu = try amount(.capacityCPU) { Quantity.millicores($0) }
        let memory = try amount(.capacityMemory) { Quantity.bytes($0) }
        return cpu == nil && memory == nil ? nil : Capacity(cpuMillicores: cpu ?? .max, memoryBytes: memory ?? .max)
    }

    private static func retention(_ settings: Settings) throws -> Retention {
        func seconds(_ setting: Setting, _ otherwise: Double?) throws -> Double? {
            guard let given = settings.given(setting) else { return otherwise }
            if given.value == "forever" { return nil }
            guard let seconds = TimeSpan.seconds(given.value)
            else { throw SettingError("\(given.phrase) is not a time such as 30d, 12h, 90m, or forever.") }
            return seconds
        }
        let standard = Retention()
        var kept = Retention(
            steps: try seconds(.keepSteps, standard.steps), episodes: try seconds(.keepEpisodes, standard.episodes),
            size: standard.size)
        if let given = settings.given(.keepSize) {
            let quantity = given.value.hasSuffix("B") ? String(given.value.dropLast()) : given.value
            guard given.value == "none" || Quantity.bytes(quantity).map({ $0 >= 1 << 20 }) == true else {
                throw SettingError("\(given.phrase) is not a size of at least 1MiB such as 10GiB, or none.")
            }
            kept.size = given.value == "none" ? nil : Quantity.bytes(quantity).map(Int64.init)
        }
        return kept
    }

    private static func log(_ settings: Settings) throws -> Logger {
        let level = try settings.choice(.logLevel, Logger.Level.allCases.map(\.rawValue)).flatMap { Logger.Level(rawValue: $0) } ?? .notice
        let format =
            try settings.choice(.logFormat, LineLogHandler.Format.allCases.map(\.rawValue))
            .flatMap { LineLogHandler.Format(rawValue: $0) } ?? .text
        return Logger(label: "aware") { LineLogHandler(label: $0, level: level, format: format) }
    }
}

extension Settings {
    /// A number; `nil` when nothing is given.
    func number<T: LosslessStringConvertible & Comparable>(
        _ setting: Setting, _: T.Type, in range: ClosedRange<T>? = nil
    ) throws -> T? {
        guard let given = given(setting) else { return nil }
        guard let number = T(given.value) else {
            throw SettingError("\(given.phrase) is not a number of this kind.")
        }
        guard let range else { return number }
        guard range.contains(number) else {
            throw SettingError("\(given.phrase) is outside \(Self.plain(range.lowerBound)) to \(Self.plain(range.upperBound)).")
        }
        return number
    }

    /// A number as a person would write it: 60, not 60.0.
    private static func plain(_ number: some LosslessStringConvertible) -> String {
        let text = "\(number)"
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }

    /// One of some words.
    func choice(_ setting: Setting, _ words: [String]) throws -> String? {
        guard let given = given(setting) else { return nil }
        guard words.contains(given.value) else {
            throw SettingError("\(given.phrase) is not one of: \(words.joined(separator: ", ")).")
        }
        return given.value
    }

    /// A switch: false unless it is said.
    func switched(_ setting: Setting) throws -> Bool {
        try choice(setting, ["true", "false"]) == "true"
    }
}
