// POST .../transitions: what some other controller observed, did and earned. Experience to learn from, not decisions.

import Agents
import HTTPServer
import Operations
import Scaling

enum TransitionsRoute {
    static let transitionsMax = 2000
    private static let bodyBytesMax = 8 << 20

    static func register(on router: inout Router, _ api: APIContext) {
        router.add(
            .post, "/v1/applications/{app}/transitions", options: RouteOptions(bodyBytesMax: bodyBytesMax),
            IdempotentRoute.once(api) { request, response in
                let steps: ExternalSteps
                do throws(JSONParser.ParseFailure) {
                    var reader = ObjectReader(try api.loops[request.loop].parser.parse(padded: request.body), at: "")
                    steps = ExternalSteps(&reader)
                    guard reader.errors.isEmpty else {
                        APIError(reader.errors).write(to: response)
                        return .respond
                    }
                } catch {
                    APIError(error).write(to: response)
                    return .respond
                }
                let name = request.parameter(0)
                let now = api.clock.now
                return api.later(request) { try store(steps, of: name, at: now, api) }
            })
    }

    private static func store(
        _ steps: ExternalSteps, of name: String, at time: Double, _ api: APIContext
    ) throws -> ResponseBytes {
        let (agent, new) = try api.service.learn(from: steps.transitions, of: name, at: time)
        var json = JSONWriter()
        json.object { json in
            json.member("application", agent.name)
            json.member("received", steps.transitions.count)
            json.member("new", new)
            json.array("warnings") { json in
                for name in steps.unknown.sorted() { json.element("unknown member \(name) ignored") }
            }
        }
        return ResponseBytes(body: json.bytes)
    }
}

/// `{"controller": name, "transitions": [{observation, desired, reward, next}]}`.
private struct ExternalSteps: Sendable {
    private(set) var transitions: [ExternalTransition] = []
    private(set) var unknown: Set<String> = []

    init(_ reader: inout ObjectReader) {
        let controller = reader.text("controller", max: 100) ?? ""
        if let list = reader.take("transitions"), list.kind == .array,
            (1...TransitionsRoute.transitionsMax).contains(list.count)
        {
            var errors: [ProblemItem] = []
            list.forEachElement { index, element in
                guard errors.count < 50 else { return }
                var step = ObjectReader(element, at: "/transitions/\(index)")
                guard step.errors.isEmpty else { return errors += step.errors }
                if let transition = read(&step, at: "/transitions/\(index)", controller) {
                    transitions.append(transition)
                }
                step.finish()
                errors += step.errors
            }
            reader.append(errors)
        } else {
            reader.complain(
                "transitions", "required",
                "An array of 1 to \(TransitionsRoute.transitionsMax) transitions is expected.")
        }
        reader.finish()
    }

    /// One step; its observation must say when it was made, because that names the step.
    private mutating func read(
        _ step: inout ObjectReader, at pointer: String, _ controller: String
    ) -> ExternalTransition? {
        let observation = self.observation("observation", &step, at: pointer)
        let next = self.observation("next", &step, at: pointer)
        let reward = step.number("reward", in: -1000...1000)
        let desired = allocation(&step, at: pointer, otherwise: observation)
        guard let observation, let next, let desired else { return nil }
        guard let time = observation.time else {
            step.append([
                ProblemItem(
                    pointer: pointer + "/observation/time", code: "required",
                    detail: "When it was observed is needed: it names and orders the steps.")
            ])
            return nil
        }
        if let end = next.time, end <= time {
            step.append([
                ProblemItem(pointer: pointer + "/next/time", code: "range", detail: "The step ends before it begins.")
            ])
            return nil
        }
        return ExternalTransition(
            time: time, controller: controller, observation: observation, desired: desired, reward: reward, next: next)
    }

    private mutating func observation(_ key: String, _ step: inout ObjectReader, at pointer: String) -> Observation? {
        guard let value = step.take(key) else {
            step.complain(
                key, "required", "What was observed \(key == "next" ? "after" : "before") the step is needed.")
            return nil
        }
        let request = ObservationCodec.decode(value, at: "\(pointer)/\(key)")
        step.append(request.errors)
        unknown.formUnion(request.unknown)
        return request.errors.isEmpty ? request.observation : nil
    }

    /// What the controller had run; sizes that it does not control are those that were observed.
    private func allocation(
        _ step: inout ObjectReader, at pointer: String, otherwise observed: Observation?
    ) -> Allocation? {
        guard let value = step.take("desired") else {
            step.complain("desired", "required", "What the controller did is needed, for example {\"replicas\": 4}.")
            return nil
        }
        var reader = ObjectReader(value, at: "\(pointer)/desired")
        let replicas = reader.integer("replicas", in: 0...1_000_000)
        let cpu = reader.quantity("cpu", "\"640m\" or 0.64 cores", ProfileCodec.cpu) ?? observed?.cpuMillicores
        let memory = reader.quantity("memory", "\"512Mi\" or bytes", ProfileCodec.memory) ?? observed?.memoryBytes
        if reader.errors.isEmpty {
            if replicas == nil { reader.complain("replicas", "required", "The number of replicas is needed.") }
            if cpu == nil { reader.complain("cpu", "required", "Give it here or as cpuLimit of the observation.") }
            if memory == nil {
                reader.complain("memory", "required", "Give it here or as memoryLimit of the observation.")
            }
        }
        reader.finish()
        step.append(reader.errors)
        guard reader.errors.isEmpty, let replicas, let cpu, let memory else { return nil }
        return Allocation(replicas: replicas, cpuMillicores: cpu, memoryBytes: memory)
    }
}
