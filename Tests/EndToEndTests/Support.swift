// Servers for tests: in this process on a free port, each on a data folder of its own; and work off the shared threads.

import Foundation
import HTTPServer
import Service

/// Runs `body` on a thread of its own: opening a database blocks, and the cooperative pool must not.
func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Result { try body() }) }.start()
    }
}

/// A folder that is gone when `body` is done.
func withFolder<T>(_ body: (String) async throws -> T) async throws -> T {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("aware-test-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    return try await body(folder)
}

/// Runs `body` against a server on `folder` and stops the server.
func withService<T>(
    on folder: String, followsObservedTime: Bool = false, loops: Int = 1,
    _ body: (ListenAddress) async throws -> T
) async throws -> T {
    let service = try await onThread {
        var options = ServiceOptions()
        options.listen = [.tcp(host: "127.0.0.1", port: 0)]
        options.dataFolder = folder
        options.loops = loops
        options.trainerThreads = 1
        options.followsObservedTime = followsObservedTime
        return try PolicyServer.start(options)
    }
    let result: Result<T, any Error>
    do {
        result = .success(try await body(service.addresses[0]))
    } catch {
        result = .failure(error)
    }
    try await service.stop()
    return try result.get()
}

/// The same on a folder of its own.
func withService<T>(followsObservedTime: Bool = false, loops: Int = 1, _ body: (ListenAddress) async throws -> T)
    async throws -> T
{
    try await withFolder { folder in
        try await withService(on: folder, followsObservedTime: followsObservedTime, loops: loops, body)
    }
}

/// Waits until `condition` holds, for at most `seconds`; returns whether it does.
func eventually(seconds: Double = 10, _ condition: () async throws -> Bool) async throws -> Bool {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { return false }
        try await Task.sleep(for: .milliseconds(5))
    }
    return true
}
