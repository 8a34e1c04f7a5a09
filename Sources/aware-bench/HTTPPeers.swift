// The servers that `aware-bench http` compares: how each is started, and how it is loaded.

import Foundation

/// A server under load.
struct Peer {
    let name: String
    let url: String
    let program: Program
    /// What wrk sends; nil for GET.
    var script: String?
    /// Where redis-benchmark finds it, instead of wrk.
    var redisPort: Int?
}

struct HTTPPeers {
    /// Where configuration, scripts and data go.
    let folder: URL
    let core: Int
    /// How many applications the decisions are spread over.
    let applications: Int

    /// One nginx worker that answers every request with a fixed body: what HTTP alone costs here.
    func nginx() async throws -> Peer {
        let port = try freePort()
        let configuration = """
            worker_processes 1; daemon off; master_process off; pid \(folder.path)/nginx.pid; error_log /dev/null;
            events { worker_connections 16384; }
            http {
              access_log off; keepalive_requests 1000000000;
              client_body_temp_path \(folder.path)/body; proxy_temp_path \(folder.path)/proxy;
              fastcgi_temp_path \(folder.path)/fastcgi; uwsgi_temp_path \(folder.path)/uwsgi;
              scgi_temp_path \(folder.path)/scgi;
              server {
                listen 127.0.0.1:\(port);
                location / { default_type application/json; return 200 '\(FixedServer.body)'; }
              }
            }
            """
        let file = folder.appendingPathComponent("nginx.conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let program = try Program(["nginx", "-c", file.path, "-p", folder.path], core: core)
        let url = "http://127.0.0.1:\(port)/"
        try await answers(url, program)
        return Peer(name: "nginx return 200", url: url, program: program)
    }

    /// The server library with a fixed body.
    func fixed() async throws -> Peer {
        let program = try Program(
            [try Self.ownPath(), "fixed", "--listen", "127.0.0.1:0", "--connections-max", "20000"], core: core)
        return Peer(name: "aware fixed body", url: try await program.printedURL(), program: program)
    }

    /// A database in which the applications are served by policies: `aware demo` with a fixed seed.
    func trained(_ binary: String) async throws -> URL {
        let data = folder.appendingPathComponent("trained")
        let text = try await Program.run(
            [
                binary, "demo", "--fast", "--steps", "650", "--applications", "\(applications)", "--seed", "5", "--data", data.path,
                "--listen", "127.0.0.1:0",
            ], seconds: 600)
        guard FileManager.default.fileExists(atPath: data.appendingPathComponent("aware.sqlite").path) else {
            throw BenchError("aware demo made no database:\n\(text)")
        }
        return data
    }

    /// `aware serve` on a copy of that database, loaded with dry runs or with decisions that are committed before they are
    /// answered.
    func aware(_ binary: String, on trained: URL, dryRun: Bool) async throws -> Peer {
        let data = folder.appendingPathComponent(dryRun ? "data-dry" : "data")
        try FileManager.default.copyItem(at: trained, to: data)
        let program = try Program(
            [binary, "serve", "--listen", "127.0.0.1:0", "--data", data.path, "--loops", "1"], core: core)
        let url = try await program.printedURL()
        return Peer(
            name: dryRun ? "aware dryRun" : "aware committed", url: url, program: program,
            script: try script(DecisionLoad(applications: applications, isDryRun: dryRun), dryRun ? "dry" : "committed"))
    }

    /// One h2o worker with a file of the same body.
    func h2o() async throws -> Peer {
        let port = try freePort()
        let root = folder.appendingPathComponent("h2o")
        try FileManager.default.createDirectory(at: root, withIntermediateDirectories: true)
        try "\(FixedServer.body)".write(to: root.appendingPathComponent("index.json"), atomically: true, encoding: .utf8)
        let configuration = """
            num-threads: 1
            max-connections: 16384
            http1-request-timeout: 3600
            error-log: /dev/null
            pid-file: \(folder.path)/h2o.pid
            listen:
              host: 127.0.0.1
              port: \(port)
            user: root
            hosts:
              default:
                paths:
                  "/":
                    file.dir: \(root.path)
                    file.index: ["index.json"]
            """
        let file = folder.appendingPathComponent("h2o.conf")
        try configuration.write(to: file, atomically: true, encoding: .utf8)
        let program = try Program(["h2o", "-m", "worker", "-c", file.path], core: core)
        let url = "http://127.0.0.1:\(port)/"
        try await answers(url, program)
        return Peer(name: "h2o, a file", url: url, program: program)
    }

    /// redis-server that appends every SET to a file and syncs it once a second.
    func redis() async throws -> Peer {
        let port = try freePort()
        let program = try Program(
            [
                "redis-server", "--port", "\(port)", "--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "everysec",
                "--save", "", "--dir", folder.path,
            ], core: core)
        guard try await program.wait(seconds: 10, until: { $0.contains("Ready to accept") }) else {
            try await program.stop()
            throw BenchError("redis-server did not start:\n\(program.text)")
        }
        return Peer(name: "redis SET, appendonly", url: "redis://127.0.0.1:\(port)", program: program, redisPort: Int(port))
    }

    /// FastAPI and PyTorch behind uvicorn, from a file that defines `app`.
    func fastAPI(_ python: String, _ file: String) async throws -> Peer {
        let port = try freePort()
        let source = URL(fileURLWithPath: file)
        let program = try Program(
            [
                python, "-m", "uvicorn", source.deletingPathExtension().lastPathComponent + ":app", "--app-dir",
                source.deletingLastPathComponent().path, "--port", "\(port)", "--loop", "uvloop", "--http", "httptools",
                "--log-level", "error",
            ], core: core, environment: ["PYTHONDONTWRITEBYTECODE": "1"])
        let url = "http://127.0.0.1:\(port)/"
        try await answers(url, program, seconds: 60)
        return Peer(
            name: "FastAPI + PyTorch", url: url, program: program,
            script: try script(DecisionLoad(applications: applications, isDryRun: false), "fastapi"))
    }

    // MARK: Parts

    private func script(_ load: DecisionLoad, _ name: String) throws -> String {
        let file = folder.appendingPathComponent(name + ".lua")
        try load.script.write(to: file, atomically: true, encoding: .utf8)
        return file.path
    }

    /// Path of the running program, to start it again as a server.
    static func ownPath() throws -> String {
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
    }

    /// Waits until somebody listens at `url`.
    private func answers(_ url: String, _ program: Program, seconds: Double = 10) async throws {
        let limit = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < limit {
            let status = try await Program.run(
                ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url], seconds: 5)
            if let status = Int(status), status > 0 { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        try await program.stop()
        throw BenchError("nothing answers at \(url):\n\(program.text)")
    }

    /// A port that is free now: bound by the kernel's choice and let go.
    private func freePort() throws -> UInt16 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard bound else { throw BenchError("no free port") }
        return UInt16(bigEndian: address.sin_port)
    }
}
