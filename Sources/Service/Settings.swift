// What is set, and where: flags before the environment before the configuration file before the defaults.

import Configuration
import Foundation
import Recommender

/// A setting is wrong: which one, where it was given, and what is allowed.
public struct SettingError: Error, CustomStringConvertible, Equatable {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// The values of one start.
public struct Settings: Sendable {
    /// A value and where it was given.
    public struct Given: Sendable, Equatable {
        public var value: String
        /// As in "--seed", "AWARE_SEED" or "seed in aware.yaml".
        public var origin: String

        /// Both, as it was written: "--seed 7", "AWARE_SEED=7" or "seed in aware.yaml: 7".
        public var phrase: String {
            origin + (origin.hasPrefix("--") ? " " : origin.hasPrefix("AWARE_") ? "=" : ": ") + value
        }
    }

    private let reader: ConfigReader
    private let origins = OriginReporter()
    private let flags: [String: String]
    private let file: String?

    /// - Parameters:
    ///   - flags: what the command line says, by the settings' names.
    ///   - file: a configuration file in JSON or YAML, one member a setting.
    /// - Throws: `SettingError` when the file cannot be read, is no mapping, or has members that are no settings.
    public init(
        flags: [String: String], file: String?, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        self.flags = flags
        self.file = file
        // An empty variable is one that is not set: so `AWARE_LISTEN= aware serve` takes the default.
        let variables = environment.filter { !$0.value.isEmpty }
        var providers: [any ConfigProvider] = [
            Self.provider("flags", flags), EnvironmentVariablesProvider(environmentVariables: variables),
        ]
        if let file { providers.append(Self.provider("file", try Self.read(file))) }
        reader = ConfigReader(providers: providers, accessReporter: origins)
    }

    private static func provider(_ name: String, _ values: [String: String]) -> InMemoryProvider {
        InMemoryProvider(
            name: name,
            values: Dictionary(
                uniqueKeysWithValues: values.map {
                    (AbsoluteConfigKey(["aware", $0.key]), ConfigValue(.string($0.value), isSecret: false))
                }))
    }

    /// The members of a configuration file; YAML 1.2 contains JSON.
    private static func read(_ path: String) throws -> [String: String] {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw SettingError("--config \(path): the file cannot be read.")
        }
        return try members(of: String(decoding: data, as: UTF8.self), in: path)
    }

    /// - Parameter path: where the text stands, for what is wrong with it.
    static func members(of text: String, in path: String) throws -> [String: String] {
        let loaded: Any?
        do {
            loaded = try YAML.load(text)
        } catch {
            throw SettingError("--config \(path) is neither YAML nor JSON: \(error)")
        }
        guard let members = (loaded ?? [String: Any]()) as? [String: Any] else {
            throw SettingError("--config \(path): a mapping is expected, such as `listen: 127.0.0.1:8080`.")
        }
        let known = Set(Setting.all.map(\.name))
        var values: [String: String] = [:]
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            guard known.contains(name) else {
                throw SettingError("\(name) in \(path) is no setting. Known: \(known.sorted().joined(separator: ", ")).")
            }
            switch value {
            case let list as [Any]: values[name] = list.map { "\($0)" }.joined(separator: ",")
            case is [String: Any], is NSNull: throw SettingError("\(name) in \(path): a text, a number or a list is expected.")
            default: values[name] = "\(value)"
            }
        }
        return values
    }

    /// What is given for a setting; `nil` leaves the default.
    public func given(_ setting: Setting) -> Given? {
        guard let value = reader.string(forKey: ConfigKey(["aware", setting.name])), !value.isEmpty else { return nil }
        let origin: String =
            if flags[setting.name] != nil {
                "--\(setting.name)"
            } else if origins.provider(of: setting.name) == "file", let file {
                "\(setting.name) in \(file)"
            } else {
                setting.variable
            }
        return Given(value: value, origin: origin)
    }

    /// The configuration in force, for the log: every setting with its value and where that comes from.
    public func inForce() -> [(name: String, value: String)] {
        Setting.all.map { setting in
            guard let given = given(setting) else { return (setting.name, setting.standard) }
            return (setting.name, setting.isSecret ? "(hidden)" : "\(given.value) [\(given.origin)]")
        }
    }

    /// Environment variables that look like settings and are none: misspelt, most likely.
    public static func unknown(in environment: [String: String]) -> [String] {
        let known = Set(Setting.all.map(\.variable) + ["AWARE_CONFIG", "AWARE_URL", "AWARE_TOKEN"])
        return environment.keys.filter { $0.hasPrefix("AWARE_") && !$0.hasPrefix("AWARE_TEST_") && !known.contains($0) }.sorted()
    }
}

/// Remembers which provider gave a value.
private final class OriginReporter: AccessReporter, @unchecked Sendable {
    private let lock = NSLock()
    private var providers: [String: String] = [:]

    func report(_ event: AccessEvent) {
        let found = event.providerResults.first { result in
            if case .success(let lookup) = result.result { lookup.value != nil } else { false }
        }
        guard let found, let name = event.metadata.key.components.last else { return }
        // "InMemoryProvider[file]"
        lock.withLock { providers[name] = found.providerName.contains("[file]") ? "file" : found.providerName }
    }

    func provider(of name: String) -> String? { lock.withLock { providers[name] } }
}
