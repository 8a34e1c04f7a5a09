// The observations that the benchmarks post: the same for every generator of load.

import Foundation

/// Requests for decisions of the applications demo-1, demo-2, ... of a database that `aware demo` made.
struct DecisionLoad {
    /// Observations of each application. Equal ones in a row would be taken for those of a broken collector, and cost less.
    private var variants: Int { max(2, 1000 / applications) }

    let applications: Int
    let isDryRun: Bool

    /// Path and body of each request, in the order in which they are sent.
    var requests: [(path: String, body: String)] {
        (0..<variants).flatMap { variant in
            (1...applications).map { application in
                // Any fixed sequence that does not repeat itself soon.
                let noise = { (factor: Int) in Double((variant * 977 + application * 131) * factor % 1009) / 1009 }
                let body = String(
                    format: #"{"replicas":4,"cpuLimit":"512m","memoryLimit":"768Mi","cpuUtilization":%.3f,"#
                        + #""memoryUtilization":%.3f,"latencySeconds":%.4f,"requestRate":%.2f}"#,
                    0.4 + 0.3 * noise(7), 0.4 + 0.05 * noise(11), 0.08 + 0.05 * noise(13), 100 + 50 * noise(17))
                return ("/v1/applications/demo-\(application)/decisions" + (isDryRun ? "?dryRun=true" : ""), body)
            }
        }
    }

    /// The same for wrk, in Lua.
    var script: String {
        """
        local requests, next = {}, 0
        local headers = { ["Content-Type"] = "application/json" }
        local texts = {
        \(requests.map { "{ '\($0.path)', '\($0.body)' }" }.joined(separator: ",\n"))
        }
        function init()
          for i, text in ipairs(texts) do requests[i] = wrk.format("POST", text[1], headers, text[2]) end
        end
        function request()
          next = next % #requests + 1
          return requests[next]
        end
        """
    }

    /// The bytes of each request.
    var messages: [[UInt8]] {
        requests.map { path, body in
            RequestGenerator.message("POST", String(path.trimmingPrefix("/v1/applications/")), Array(body.utf8))
        }
    }
}
