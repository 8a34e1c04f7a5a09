// What happened to other people's autoscalers does not happen here: public reports, replayed through the REST API.

import Foundation
import Testing

@Suite(.serialized, .timeLimit(.minutes(5))) struct StoryTests {
    private static let stories = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .appendingPathComponent("../../../shared/stories").standardizedFileURL.path
    private static let folder = ProcessInfo.processInfo.environment["AWARE_STORIES"] ?? stories
    private static let isThere = FileManager.default.fileExists(atPath: folder + "/replay.py")

    @Test(.enabled(if: isThere, "the stories are not beside this checkout (AWARE_STORIES names their folder)"))
    func everyStoryHolds() async throws {
        try await withFolder { folder in
            let server = try await ServerProcess.start(on: folder, ["--clock", "observed"])
            let player = try RunningProgram(
                "/usr/bin/env",
                ["python3", Self.folder + "/replay.py", "http://127.0.0.1:\(server.port)", Self.folder])
            let status = await player.exit()
            #expect(status == 0, "\(player.output)")
            #expect(player.output.contains("ok    "))
        }
    }
}
