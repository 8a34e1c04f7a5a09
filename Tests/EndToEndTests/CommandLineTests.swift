// The program as a new user meets it: what is wrong gets one clear line before any work, and the right exit status.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct CommandLineTests {
    private static func run(_ arguments: [String]) async throws -> (status: Int32, output: String) {
        let program = try RunningProgram("aware", arguments)
        let status = await program.exit()
        return (status, program.output)
    }

    private static func file(_ name: String, in folder: String, _ text: String) throws -> String {
        let path = folder + "/" + name
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
        return path
    }

    /// Four hours and more of load that rises and falls.
    private static let history =
        "minute,requests\n" + (0..<400).map { "\($0),\(600 + 300 * ($0 / 60 % 4))" }.joined(separator: "\n") + "\n"

    @Test(arguments: [
        (["replay", "/nowhere/at/all"], 1, "/nowhere/at/all: the file cannot be read."),
        (["replay", "/tmp"], 1, "/tmp is a folder; a file is expected."),
        (["replay", "/etc/passwd"], 1, "/etc/passwd: line 1: there is no column time, timestamp, minute or second"),
        (["replay", "http://127.0.0.1:9"], 64, "A Prometheus needs --workload NAMESPACE/NAME"),
        (["replay", "http://127.0.0.1:9", "--workload", "a/b"], 1, "http://127.0.0.1:9, requestRate:"),
        (["replay", "/etc/passwd", "--savings", "2"], 64, "--savings 2 is no list of numbers from 0 to 1"),
        (["import-trace", "/etc/passwd", "--output", "/etc/passwd"], 64, "--output /etc/passwd is there already"),
        (["demo", "--trace", "/etc/passwd"], 1, "--trace /etc/passwd: its first line is neither minute,requests nor second,requests"),
        (["demo", "--steps", "10", "--update-step", "5"], 64, "--update-step says when --update happens"),
        (["demo", "--savings", "1.5"], 64, "--savings 1.5 is outside 0 to 1."),
        (["serve", "--data", "/etc/passwd", "--listen", "127.0.0.1:0"], 1, "The data folder /etc/passwd cannot be used"),
        (["serve", "--listen", "127.0.0.1:99999"], 1, "the port must be a number from 0 to 65535"),
        (["serve", "--durability", "maybe"], 1, "--durability maybe is not one of: normal, full."),
        (["status", "--server", "http://127.0.0.1:9"], 1, "Is a server running there?"),
        (["status", "--server", "nonsense"], 64, "--server nonsense is no URL"),
        (["tail", "--server", "http://127.0.0.1:9"], 1, "Is a server running there?"),
        (["train", "--data", "/etc/passwd"], 1, "--data /etc/passwd: line 1: there is no column avg_cpu_util"),
        (["train", "--data", "x", "--environment", "cluster", "--output", "/tmp/x"], 64, "--data and --print-steps are for --environment tabular."),
        (["train", "--plot", "/proc/x"], 1, "--plot /proc/x: the folder cannot be made"),
        (["evaluate", "--traces", "/nowhere"], 1, "--traces /nowhere: there is no .csv file."),
        (["evaluate", "--arms", "nobody"], 1, "--arms: there is no arm nobody. Known: random, static"),
        (["import", "/etc/passwd"], 1, "/etc/passwd: this is no application of aware; GET .../export and `aware export --format bundle` give one."),
        (["doctor", "--data", "/nowhere"], 1, "There is no database /nowhere/aware.sqlite."),
    ]) func whatIsWrongIsSaidInOneLine(_ arguments: [String], _ status: Int, _ words: String) async throws {
        let result = try await Self.run(arguments)
        #expect(result.status == status, "\(result.output)")
        let lines = result.output.split(separator: "\n")
        #expect(lines.first?.hasPrefix("Error: ") == true && result.output.contains(words), "\(result.output)")
        // Usage follows where the arguments themselves are wrong, nothing where the world is.
        #expect(status == 64 || lines.count == 1, "\(result.output)")
    }

    @Test func aPortInUseAndAFileInTheWay() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder + "/a")
            let second = try await Self.run(["serve", "--data", folder + "/b", "--listen", "127.0.0.1:\(server.port)"])
            #expect(second.status == 1 && second.output.contains("Address already in use"), "\(second.output)")
            let backup = try await Self.run(["backup", "/nowhere/file", "--data", folder + "/a"])
            #expect(backup.output == "Error: /nowhere/file cannot be written. Give a file in a folder that exists and can be written.\n", "\(backup.output)")
        }
    }

    @Test func aHistoryIsReplayedAndImported() async throws {
        try await withFolder { folder in
            let path = try Self.file("history.csv", in: folder, Self.history)
            let replay = try await Self.run(["replay", path, "--json", "--savings", "0.5", "--plot", folder + "/plots"])
            #expect(replay.status == 0, "\(replay.output)")
            let document = try JSON(String(replay.output.split(separator: "\n").last { $0.hasPrefix("{") } ?? ""))
            #expect(document["minutes"].integer == 400 && document["judgedMinutes"].integer == 180)
            #expect(document["rows"].items.map { $0["name"].string } == ["hpa default", "hpa-vpa default", "hpa calibrated", "hpa-vpa calibrated", "aware"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/plots") == ["replay-bill.svg"])
            let imported = try await Self.run(["import-trace", path, "--output", folder + "/trace.csv"])
            #expect(imported.status == 0, "\(imported.output)")
            let trace = try String(contentsOfFile: folder + "/trace.csv", encoding: .utf8)
            #expect(trace.hasPrefix("minute,requests\n0,") && trace.split(separator: "\n").count == 401)
            let demo = try await Self.run([
                "demo", "--fast", "--steps", "20", "--applications", "1", "--trace", folder + "/trace.csv", "--data", folder + "/demo",
            ])
            #expect(demo.status == 0, "\(demo.output)")
        }
    }

    @Test func aRunningServerIsShown() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder)
            let client = try Client(port: server.port)
            let address = ["--server", "http://127.0.0.1:\(server.port)"]
            let empty = try await Self.run(["status"] + address)
            #expect(empty.status == 0 && empty.output.contains("Nothing has been observed yet"), "\(empty.output)")
            let observation = #"{"replicas": 3, "cpuUtilization": 0.9, "memoryUtilization": 0.5, "latencySeconds": 0.3, "requestRate": 50}"#
            for _ in 0..<5 { _ = try await client.post("/v1/applications/shop-web/decisions", observation) }
            let status = try await Self.run(["status"] + address)
            #expect(status.output.contains("1 applications: the policy acts for 0, the rules for"), "\(status.output)")
            let one = try await Self.run(["status", "shop-web"] + address)
            #expect(one.output.contains("shop-web: offline") && one.output.contains("seen 50 requests/s"), "\(one.output)")
            let json = try await Self.run(["status", "--json"] + address)
            #expect(try JSON(json.output)["applications"]["total"].integer == 1)
            let export = try await Self.run(["export", "shop-web", "--format", "csv", "--output", folder + "/out.csv"] + address)
            #expect(export.status == 0, "\(export.output)")
            let lines = try String(contentsOfFile: folder + "/out.csv", encoding: .utf8).split(separator: "\n")
            #expect(lines.count == 6 && lines[0].hasPrefix("time,requestRate,"))
            // To another server, or here under another name: all that there is of it.
            let bundle = try await Self.run(["export", "shop-web", "--format", "bundle", "--output", folder + "/shop-web.aware"] + address)
            #expect(bundle.status == 0, "\(bundle.output)")
            let imported = try await Self.run(["import", folder + "/shop-web.aware", "--name", "shop-copy"] + address)
            #expect(imported.status == 0 && imported.output == "shop-copy: here, with 5 decisions\n", "\(imported.output)")
            #expect(try await client.get("/v1/applications/shop-copy").status == 200)
            let tail = try RunningProgram("aware", ["tail", "--lines", "2", "--interval", "0.2"] + address)
            for _ in 0..<100 where !tail.output.contains("shop-web") {
                _ = try await client.post("/v1/applications/shop-web/decisions", observation)
                try await Task.sleep(for: .milliseconds(100))
            }
            for _ in 0..<20 { _ = try await client.post("/v1/applications/shop-web/decisions", observation) }
            #expect(await tail.exit() == 0)
            #expect(tail.output.contains("shop-web: "), "\(tail.output)")
        }
    }

    @Test func theApiIsDescribedWithoutAServer() async throws {
        let routes = try await Self.run(["routes"])
        #expect(routes.output.contains("/v1/applications/{app}/decisions"))
        let document = try await Self.run(["openapi"])
        #expect(try JSON(document.output)["openapi"].string == "3.1.0")
    }
}
