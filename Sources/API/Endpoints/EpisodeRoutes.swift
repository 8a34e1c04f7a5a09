// Explicit episodes: a caller who knows where one begins or ends says so instead of counting steps.

import Agents
import HTTPServer
import Store

enum EpisodeRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        let start: Handler = { request, response in
            ControlRoutes.act(api, request, &response, "episode.start", read: { _ in }) { agent, order, _ in
                let running = agent.runningEpisode
                // An episode without a step has not begun: it is the new one.
                if running.steps > 0 {
                    try api.controls.change(agent, audit: order.entry("{\"ends\":\(running.number)}")) {
                        $0.episodeEnded = running.number
                    }
                }
                return answer(
                    running.steps > 0 ? running.number + 1 : running.number, "beginsWithNextDecision", .created)
            }
        }
        let end: Handler = { request, response in
            let text = request.parameter(1)
            return ControlRoutes.act(api, request, &response, "episode.end", read: { _ in }) { agent, order, _ in
                let running = agent.runningEpisode
                guard let number = Int(text), number > 0, number <= running.number else {
                    throw Refusal(
                        .notFound, "\(agent.name) has no episode \"\(text.prefix(20))\"; \(running.number) is running.")
                }
                guard number == running.number else { return answer(number, "ended", .ok) }
                guard running.steps > 0 else {
                    throw Refusal(.conflict, "Episode \(number) has no step yet, so it cannot end.")
                }
                try api.controls.change(agent, audit: order.entry("{\"ends\":\(number)}")) { $0.episodeEnded = number }
                return answer(number, "endsWithNextDecision", .ok)
            }
        }
        router.add(.post, "/v1/applications/{app}/episodes", IdempotencyDesk.once(api, start))
        router.add(.post, "/v1/applications/{app}/episodes/{id}/end", IdempotencyDesk.once(api, end))
    }

    /// The observation of the next decision earns the last step's reward: only then is an episode complete.
    private static func answer(_ episode: Int, _ state: String, _ status: Status) -> ResponseBytes {
        var json = JSONWriter()
        json.object { json in
            json.member("episode", episode)
            json.member("state", state)
        }
        return ResponseBytes(status: status, body: json.bytes)
    }
}
