// What any recommender does with aware: observations go up, allocations come back, all through the REST API.

import Base
import Foundation
import Scaling

/// Talks to one aware server about any number of applications. One a thread.
public final class DecisionClient {
    /// The part of a decision that a recommender acts on and shows.
    public struct Recommendation {
        public var desired: Allocation
        public var stage: String
        public var source: String
        public var modelVersion: Int
        public var reason: String
        /// Reward of the decision before this one.
        public var reward: Double?
    }

    /// The server said no.
    public struct Refused: Error, CustomStringConvertible {
        public let status: Int
        public let detail: String

        public var description: String { "aware answered \(status): \(detail)" }
    }

    private struct Answer: Decodable {
        struct Desired: Decodable {
            let replicas: Int
            let cpu: String
            let memory: String
        }
        let desired: Desired
        let stage: String
        let source: String
        let modelVersion: Int
        let reason: String
        let reward: Double?
    }

    private struct Progress: Decodable {
        struct Status: Decodable {
            let episodes: Int
            let episodesTrained: Int
            let rulesReward: Double?
        }
        let status: Status
    }

    private let client: HTTPClient
    private let decoder = JSONDecoder()

    public init(base: String) { client = HTTPClient(HTTPOptions(base: base)) }

    /// Creates an application or replaces its profile. `profile` is a JSON object.
    public func put(_ application: String, profile: String) throws {
        _ = try accepted(client.send(HTTPRequest("PUT", "/v1/applications/\(application)", body: profile)))
    }

    /// Reports an observation and asks what to do.
    public func decide(_ application: String, _ observation: Observation) throws -> Recommendation {
        let body = try accepted(
            client.send(
                HTTPRequest("POST", "/v1/applications/\(application)/decisions", body: Self.json(observation))))
        let answer = try decoder.decode(Answer.self, from: Data(body))
        guard let cpu = Quantity.millicores(answer.desired.cpu), let memory = Quantity.bytes(answer.desired.memory)
        else {
            throw Refused(status: 200, detail: "the desired size is not a quantity: \(answer.desired)")
        }
        return Recommendation(
            desired: Allocation(replicas: answer.desired.replicas, cpuMillicores: cpu, memoryBytes: memory),
            stage: answer.stage, source: answer.source, modelVersion: answer.modelVersion, reason: answer.reason,
            reward: answer.reward)
    }

    /// Waits until every finished episode of `application` has been learned from.
    public func waitUntilTrained(_ application: String) throws {
        while true {
            let body = try accepted(client.send(HTTPRequest("GET", "/v1/applications/\(application)")))
            let status = try decoder.decode(Progress.self, from: Data(body)).status
            if status.episodesTrained >= status.episodes { return }
            usleep(500)
        }
    }

    private struct Application: Decodable {
        struct Status: Decodable {
            struct Rules: Decodable {
                let calibrated: Bool
                let cpuTarget: Double
                let memoryMargin: Double
                let cpu: String?
            }
            let rules: Rules
        }
        let status: Status
    }

    /// How the rules of `application` are set after calibration, `nil` while they are as the profile says.
    ///
    /// - Parameter configuredCpu: CPU of a replica as its owner configured it, in millicores.
    public func calibration(of application: String, configuredCpu: Int) throws -> Calibration? {
        let body = try accepted(client.send(HTTPRequest("GET", "/v1/applications/\(application)")))
        let rules = try decoder.decode(Application.self, from: Data(body)).status.rules
        guard rules.calibrated else { return nil }
        return Calibration(
            cpuTarget: rules.cpuTarget, memoryMargin: rules.memoryMargin, cpuMillicores: rules.cpu.flatMap(Quantity.millicores),
            ofConfigured: configuredCpu)
    }

    private struct Events: Decodable {
        struct Event: Decodable {
            let episode: Int?
            let from: String
            let to: String
            let reason: String
            let figures: [String: Double]
        }
        let items: [Event]
    }

    /// The changes of stage of `application`, oldest first, a line each.
    public func changes(of application: String) throws -> [String] {
        let path = "/v1/events?application=\(application)&kind=transition&limit=500"
        let body = try accepted(client.send(HTTPRequest("GET", path)))
        return try decoder.decode(Events.self, from: Data(body)).items.reversed().map { event in
            let figures = event.figures.sorted { $0.key < $1.key }.filter { $0.value != 0 }.map { name, value in
                "\(name) \((value * 1000).rounded() / 1000)"
            }
            return "episode \(event.episode ?? 0): \(event.from) > \(event.to), \(event.reason)"
                + (figures.isEmpty ? "" : ": " + figures.joined(separator: ", "))
        }
    }

    private func accepted(_ answer: HTTPAnswer) throws -> [UInt8] {
        guard answer.isSuccess else { throw Refused(status: answer.status, detail: answer.text) }
        return answer.body
    }

    /// An observation as the API wants it; what was not measured is left out.
    static func json(_ observation: Observation) -> String {
        var members = ["\"replicas\":\(observation.replicas)"]
        func add(_ name: String, _ value: Double?) {
            if let value, value.isFinite { members.append("\"\(name)\":\(value)") }
        }
        func add(_ name: String, _ value: Int?) { if let value { members.append("\"\(name)\":\(value)") } }
        if let cpu = observation.cpuMillicores { members.append("\"cpuLimit\":\"\(Quantity.text(millicores: cpu))\"") }
        if let memory = observation.memoryBytes {
            members.append("\"memoryLimit\":\"\(Quantity.text(bytes: memory))\"")
        }
        add("cpuUtilization", observation.cpuUtilization)
        add("memoryUtilization", observation.memoryUtilization)
        add("memoryPeakUtilization", observation.memoryPeakUtilization)
        add("memoryPressure", observation.memoryPressure)
        add("latencySeconds", observation.latencySeconds)
        add("sloPreservation", observation.sloPreservation)
        add("requestRate", observation.requestRate)
        add("throughput", observation.throughput)
        add("readyReplicas", observation.readyReplicas)
        add("existingReplicas", observation.existingReplicas)
        add("oomKills", observation.oomKills)
        add("networkUtilization", observation.networkUtilization)
        add("ioUtilization", observation.ioUtilization)
        add("throttledRatio", observation.throttledRatio)
        if let time = observation.time {
            members.append("\"time\":\"\(Timestamp.text(time))\"")
        }
        if observation.rolloutInProgress { members.append("\"rolloutInProgress\":true") }
        if !observation.applied { members.append("\"applied\":false") }
        if observation.done { members.append("\"done\":true") }
        return "{" + members.joined(separator: ",") + "}"
    }
}
