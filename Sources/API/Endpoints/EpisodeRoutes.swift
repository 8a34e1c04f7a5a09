// Explicit episodes: a caller who knows where one begins or ends says so instead of counting steps.

import Agents
import HTTPServer
import Operations

enum EpisodeRoutes {
    static func register(on router: inout Router, _ api: APIContext) {
        let start: Handler = { request, response in
            ControlRoutes.act(api, request, &response, "episode.start", read: { _ in }) { agent, action, _ in
                answer(try api.service.startEpisode(of: agent, by: action), .beginsWithNextDecision, .created)
            }
        }
        let end: Handler = { request, response in
            let text = request.parameter(1)
            return ControlRoutes.act(api, request, &response, "episode.end", read: { _ in }) { agent, action, _ in
                let (number, state) = try api.service.endEpisode(text, of: agent, by: action)
                return answer(number, state, .ok)
            }
        }
        router.add(.post, "/v1/applications/{app}/episodes", IdempotentRoute.once(api, start))
        router.add(.post, "/v1/applications/{app}/episodes/{id}/end", IdempotentRoute.once(api, end))
    }

    private static func answer(
        _ episode: Int, _ state: ApplicationService.EpisodeState, _ status: Status
    ) -> ResponseBytes {
        var json = JSONWriter()
        json.object { json in
            json.member("episode", episode)
            json.member("state", state.rawValue)
        }
        return ResponseBytes(status: status, body: json.bytes)
    }
}
