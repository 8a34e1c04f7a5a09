// Every curl of the README and of the guide works: the commands of their `sh` blocks are run, in order, against a server.
//
// The session marked `console` is run, and its answers are compared, in ReadmeTests.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct ReadmeCurlTests {
    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../..").standardizedFileURL

    /// What a shell needs to run the curls of one block: assignments and the commands themselves, with continuations.
    private static func commands(of block: String) -> [String] {
        var commands: [String] = []
        var continues = false
        for line in block.split(separator: "\n") {
            if continues {
                commands[commands.count - 1] += "\n" + line
            } else if line.hasPrefix("curl ") || line.prefixMatch(of: /[a-z]+=/) != nil {
                commands.append(String(line))
            } else {
                continue
            }
            continues = line.hasSuffix("\\")
        }
        return commands
    }

    /// The code blocks of a language, in order.
    private static func blocks(_ language: String, of readme: String) -> [String] {
        readme.components(separatedBy: "```\(language)\n").dropFirst().map { $0.components(separatedBy: "```")[0] }
    }

    /// The guide's pages as text, their blocks of a language marked as in the README.
    private static func guide() throws -> String {
        let folder = root.appendingPathComponent("Public")
        let names = try FileManager.default.contentsOfDirectory(atPath: folder.path).filter { $0.hasPrefix("guide") && $0.hasSuffix(".html") }
        return try names.sorted().map { name in
            try String(contentsOf: folder.appendingPathComponent(name), encoding: .utf8)
                .replacing(/<pre><code class="language-([a-z]+)">/, with: { "```\($0.output.1)\n" }).replacing("</code></pre>", with: "```")
                .replacing("&quot;", with: "\"").replacing("&lt;", with: "<").replacing("&gt;", with: ">").replacing("&amp;", with: "&")
        }.joined(separator: "\n")
    }

    /// How often curl is called in `text`: as a command, not as a word.
    private static func calls(in text: String) -> Int { text.matches(of: /curl -|curl http|curl \$|curl '/).count }

    /// An application with decisions and four versions of a policy, so that there is something to act on.
    private static let preparation = """
        app=http://127.0.0.1:8080/v1/applications/shop-web
        for step in 1 2 3; do
          curl $app/decisions -d '{"replicas": 3, "cpuLimit": "500m", "memoryLimit": "512Mi", "cpuUtilization": 0.6,
            "memoryUtilization": 0.5, "latencySeconds": 0.2, "requestRate": 50}'
        done
        for version in 1 2 3 4; do
          curl -X PUT $app/models/$version/weights -H 'Content-Type: application/octet-stream' \\
            --data-binary @Sources/BasePolicy/base.policy
        done
        """

    @Test func everyCurlSucceeds() async throws {
        let readme = try String(contentsOf: Self.root.appendingPathComponent("README.md"), encoding: .utf8) + "\n" + Self.guide()
        let commands = Self.blocks("sh", of: readme).flatMap(Self.commands)
        let session = Self.blocks("console", of: readme)
        let executed = (commands + session).reduce(0) { $0 + Self.calls(in: $1) }
        #expect(executed == Self.calls(in: readme), "a curl stands outside of the blocks that are run")
        #expect(commands.contains { $0.hasPrefix("curl ") })
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let script =
                """
                # An error must end the script, and a command that follows a stream must end by itself.
                curl() {
                  echo "curl $*"
                  code=0; command curl -sS --fail-with-body --max-time 2 "$@" || code=$?
                  case "$code $*" in "0 "* | "28 "*events*) echo ;; *) echo "exit $code"; exit 1 ;; esac
                }
                cd '\(Self.root.path)'

                """ + ([Self.preparation] + commands).joined(separator: "\n")
            let shell = try RunningProgram(
                "/bin/bash",
                ["-c", script.replacingOccurrences(of: "127.0.0.1:8080", with: "127.0.0.1:\(server.port)")])
            #expect(await shell.exit() == 0, "\(shell.output)")
        }
    }
}
