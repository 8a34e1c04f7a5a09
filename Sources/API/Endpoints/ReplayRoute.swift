// POST /v1/replays: a recorded series of observations; what the policy, HPA and VPA would each have done. Nothing is kept.
//
// The observations are taken as they are: what they would have been after other decisions is not simulated.

import Agents
import Base
import Deciding
import HTTPServer
import Operations
import Scaling

enum ReplayRoute {
    static let observationsMax = 5000
    private static let bodyBytesMax = 8 << 20

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(.post, "/v1/replays", options: RouteOptions(bodyBytesMax: bodyBytesMax)) { request, response in
            let replay: Replay
            do throws(JSONParser.ParseFailure) {
                var reader = ObjectReader(try api.loops[request.loop].parser.parse(padded: request.body), at: "")
                replay = Replay(&reader)
                guard reader.errors.isEmpty else {
                    APIError(reader.errors).write(to: response)
                    return .respond
                }
            } catch {
                APIError(error).write(to: response)
                return .respond
            }
            return api.later(request) { try replay.run(api) }
        }
    }
}

/// `{"application": name, "profile": {...}, "observations": [...]}`; either of the first two may be left out.
private struct Replay {
    private var application: String?
    private var profile: Profile?
    private var observations: [Observation] = []

    init(_ reader: inout ObjectReader) {
        application = reader.text("application", max: 253)
        if let value = reader.take("profile") {
            let (decoded, errors) = ProfileCodec.decode(value)
            profile = decoded
            reader.append(
                errors.map { ProblemItem(pointer: "/profile" + $0.pointer, code: $0.code, detail: $0.detail) })
        }
        if let list = reader.take("observations"), list.kind == .array,
            (1...ReplayRoute.observationsMax).contains(list.count)
        {
            var errors: [ProblemItem] = []
            list.forEachElement { index, element in
                let request = ObservationCodec.decode(element, at: "/observations/\(index)")
                if errors.count < 50 { errors += request.errors }
                observations.append(request.observation)
            }
            reader.append(errors)
        } else {
            reader.complain(
                "observations", "required", "An array of 1 to \(ReplayRoute.observationsMax) observations is expected.")
        }
        reader.finish()
    }

    /// Decides one observation after the other with an agent that nobody else knows.
    func run(_ api: APIContext) throws -> ResponseBytes {
        let known = try application.map { name throws(APIError) in try api.agent(named: name) }
        let profile = profile ?? known?.profile ?? Profile()
        let agent = Agent(
            id: known?.id ?? 0, name: application ?? "replay", created: 0, profile: profile, revision: 1, seed: 1)
        try agent.restore(state: nil, decisions: [], policy: nil)
        var json = JSONWriter(reserving: observations.count * 600 + 64)
        var context = DecisionContext(table: api.table)
        var time = 0.0
        var seq: Int64 = 0
        json.object { json in
            json.member("application", application)
            json.array("items") { json in
                for observation in observations {
                    // Without a time of its own an observation follows the one before by a step.
                    time = observation.time ?? time + Double(profile.stepSeconds)
                    let result = agent.decide(
                        observation, at: time, clientID: nil, warnings: [], isDryRun: false,
                        context: &context,
                        sequence: {
                            seq += 1
                            return seq
                        })
                    guard case .decided(let decision, _) = result else { continue }
                    json.object { json in
                        json.member("time", Timestamp.text(time))
                        json.object("current") { DecisionCodec.allocation(decision.current, &$0) }
                        if let policy = decision.policy {
                            json.object("policy") { DecisionCodec.allocation(policy.allocation, &$0) }
                        } else {
                            json.null("policy")
                        }
                        json.object("rules") { DecisionCodec.allocation(decision.rules, &$0) }
                        json.object("desired") { DecisionCodec.allocation(decision.desired, &$0) }
                        json.member("source", decision.source.rawValue)
                        json.member("reason", decision.reason.rawValue)
                        json.member("reward", decision.reward)
                    }
                }
            }
        }
        return ResponseBytes(body: json.bytes)
    }
}
