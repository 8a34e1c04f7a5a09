// Versions of policies: equal weights are stored once, and older databases come over.

import Agents
import Foundation
import GRDB
import Testing

@testable import Store

@Suite(.timeLimit(.minutes(5))) struct ModelStoreTests {
    /// - Parameter last: the checksum's last byte.
    private static func model(of application: Int64, _ version: Int, filling: UInt8, last: UInt8 = 9) -> ModelVersion {
        ModelVersion(
            application: application, version: version, parent: version - 1, created: 60, algorithm: "ppo", episode: 3,
            diagnostics: ["base": 1], weights: [UInt8](repeating: filling, count: 5000) + [1, 2, 3, 4, 5, 6, 7, last])
    }

    private static func commit(_ models: [ModelVersion], to database: Store.Database) throws {
        try database.commit(
            TrainingCommit(
                application: models[0].application, episode: 3, state: [1], optimizer: nil, models: models, events: []))
    }

    private static func stored(_ database: Store.Database) throws -> Int {
        try database.pool.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM weights") ?? 0 }
    }

    @Test func equalWeightsAreStoredOnceAndGoWithTheLastVersionThatHasThem() async throws {
        try await withDatabase { database in
            let ids = try ["shop-web", "cart"].map {
                try database.insert(application: $0, profile: "{}", created: 0)
            }
            // The third differs in its checksum, the fourth has the same checksum and other weights.
            let own = [
                Self.model(of: ids[1], 1, filling: 1), Self.model(of: ids[1], 2, filling: 1, last: 8),
                Self.model(of: ids[1], 3, filling: 2),
            ]
            try Self.commit([Self.model(of: ids[0], 1, filling: 1)], to: database)
            try Self.commit(own, to: database)
            #expect(try Self.stored(database) == 3)
            for model in own {
                let found = try #require(try database.model(of: ids[1], version: model.version))
                #expect(found.weights == model.weights && found.diagnostics == ["base": 1])
            }
            try database.delete(application: ids[1])
            #expect(try Self.stored(database) == 1)
            #expect(try database.model(of: ids[0], version: 1)?.weights == own[0].weights)
            try database.delete(application: ids[0])
            #expect(try Self.stored(database) == 0)
        }
    }

    @Test func versionsOfAnOlderDatabaseKeepTheirWeights() async throws {
        try await withFolder { folder in
            try await onThread {
                try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
                let old = try DatabasePool(path: folder + "/aware.sqlite")
                try Migrations.migrator.migrate(old, upTo: "m0005_optimizer")
                let models = [
                    Self.model(of: 1, 1, filling: 1), Self.model(of: 2, 1, filling: 1),
                    Self.model(of: 2, 2, filling: 2),
                ]
                try old.write { db in
                    for id in 1...2 {
                        try db.execute(
                            sql:
                                "INSERT INTO application (id, name, profile, revision, created) VALUES (?, ?, '{}', 1, 0)",
                            arguments: [id, "application-\(id)"])
                    }
                    for model in models {
                        try db.execute(
                            sql: "INSERT INTO model VALUES (?, ?, ?, 60, 'ppo', 3, '{}', ?)",
                            arguments: [model.application, model.version, model.parent, Data(model.weights)])
                    }
                }
                try old.close()
                let database = try Store.Database(folder: folder)
                for model in models {
                    let found = try database.model(of: model.application, version: model.version)
                    #expect(found?.weights == model.weights)
                }
                #expect(try Self.stored(database) == 2)
                try database.shutDown()
            }
        }
    }
}
