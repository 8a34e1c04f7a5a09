// How urgent each route is. What is not listed is a read if it is a GET, and work otherwise.

import HTTPServer

enum RoutePriorities {
    /// Health, and everything by which people take control or see what is demanded now.
    static func priority(of method: HTTPServer.Method, _ pattern: String) -> Priority {
        let health = ["/livez", "/readyz", "/v2/health/live", "/v2/health/ready"]
        if health.contains(pattern) || pattern == "/v1/killswitch" { return .control }
        let application = "/v1/applications/{app}"
        let control = ["/pin", "/mode", "/stage", "/retrain", "/reset", "/approve", "/control", "/models/{version}/promote", "/seal", "/export", "/import"]
        if control.contains(where: { pattern == application + $0 }) || (method == .delete && pattern == application) {
            return .control
        }
        // A replay decides much and changes nothing.
        return method == .get || pattern == "/v1/replays" ? .read : .work
    }
}
