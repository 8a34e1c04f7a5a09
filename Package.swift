// swift-tools-version: 6.1
// aware: a policy server for autoscaling. Targets appear in the order in which they depend on each other.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// For what runs for every request: the run-time check that nobody else accesses a stored property is 4 % of a request.
/// Debug builds and the sanitizers (deploy/sanitize) keep it.
let served: [SwiftSetting] =
    Context.environment["AWARE_SANITIZE"] != nil
    ? strict : strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "aware",
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", exact: "1.4.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
    ],
    targets: [
        .target(name: "CLinux"),
        .target(name: "CMatrix"),
        .target(
            name: "CJSON", cxxSettings: [.define("NDEBUG")],
            linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]),
        .target(name: "HTTPServer", dependencies: ["CLinux"], swiftSettings: served, linkerSettings: [.linkedLibrary("z")]),
        .target(name: "Base", swiftSettings: strict),
        .target(name: "Scaling", dependencies: ["Base"], swiftSettings: served),
        .target(name: "Neural", dependencies: ["Base", "CMatrix"], swiftSettings: served),
        .target(name: "Learning", dependencies: ["Base", "Neural"], swiftSettings: served),
        .target(name: "Deciding", dependencies: ["Base", "Learning", "Scaling"], swiftSettings: served),
        .target(name: "ClusterModel", dependencies: ["Base", "Scaling"], swiftSettings: strict),
        .target(
            name: "Agents",
            dependencies: [
                "Base", "ClusterModel", "Deciding", "Learning", "Neural", "Scaling", .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: served),
        .target(
            name: "Experiments",
            dependencies: ["Agents", "Base", "ClusterModel", "Deciding", "Learning", "Neural", "Scaling"],
            swiftSettings: strict),
        .target(
            name: "BasePolicy", dependencies: ["Learning"], exclude: ["base.json"],
            resources: [.embedInCode("base.policy"), .embedInCode("base.encoder")], swiftSettings: strict),
        .target(
            name: "Operations",
            dependencies: [
                "Agents", "Base", "Deciding", "Learning", "Scaling", .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "Logging", package: "swift-log"),
            ], swiftSettings: served),
        .target(name: "CStore", linkerSettings: [.linkedLibrary("sqlite3"), .linkedLibrary("z")]),
        .target(
            name: "Store",
            dependencies: [
                "Agents", "CStore", "Base", "Deciding", "Operations", "Scaling", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift"),
                .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Migrations")], swiftSettings: served),
        .target(
            name: "API",
            dependencies: [
                "HTTPServer", "Agents", "Base", "Deciding", "Operations", "Scaling", "Learning", "Neural", "CJSON",
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "Logging", package: "swift-log"),
            ],
            resources: [.embedInCode("Public")], swiftSettings: served),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(
            name: "Recommender",
            dependencies: ["Base", "CCurl", "CJSON", "Deciding", "Scaling", .product(name: "Yams", package: "Yams")],
            swiftSettings: strict),
        .target(
            name: "Service",
            dependencies: [
                "API", "Base", "Store", "Agents", "BasePolicy", "HTTPServer", "Learning", "Operations", "Recommender", "Scaling",
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ],
            swiftSettings: strict),
        .executableTarget(
            name: "aware",
            dependencies: [
                "Service", "Agents", "API", "Base", "ClusterModel", "Deciding", "Experiments", "Store", "HTTPServer", "BasePolicy", "Operations", "Recommender", "Scaling", "Learning", "Neural",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "aware-bench",
            dependencies: ["Base", "BasePolicy", "CLinux", "ClusterModel", "Deciding", "Experiments", "Learning", "Neural", "Scaling", "HTTPServer", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            resources: [.embedInCode("cluster_peer.py"), .embedInCode("learn_peer.py")], swiftSettings: strict),
        .target(name: "CCounter", path: "Tests/CCounter"),
        .target(name: "CFaultyDisk", path: "Tests/CFaultyDisk", linkerSettings: [.linkedLibrary("sqlite3")]),
        .testTarget(name: "HouseTests", swiftSettings: strict),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTPServer", "CLinux", "CCounter"], swiftSettings: strict),
        .testTarget(
            name: "DecidingTests", dependencies: ["Base", "Deciding", "Learning", "Scaling"], swiftSettings: strict),
        .testTarget(name: "NeuralTests", dependencies: ["Base", "Neural"], exclude: ["Golden"], swiftSettings: strict),
        .testTarget(name: "ScalingTests", dependencies: ["Base", "Deciding", "Scaling"], swiftSettings: strict),
        .testTarget(name: "LearningTests", dependencies: ["Base", "Neural", "Learning", "CCounter"], exclude: ["Golden"], swiftSettings: strict),
        .testTarget(
            name: "ExperimentsTests",
            dependencies: ["Agents", "Base", "ClusterModel", "Deciding", "Experiments", "Scaling", "Neural", "Learning"],
            swiftSettings: strict),
        .testTarget(
            name: "AgentsTests", dependencies: ["Agents", "Base", "Operations", "CCounter", "BasePolicy", "ClusterModel", "Deciding", "Experiments", "Store", "Learning", "Neural", "Scaling"], exclude: ["Scenarios"],
            swiftSettings: strict),
        .testTarget(
            name: "StoreTests",
            dependencies: [
                "Store", "Agents", "Base", "CFaultyDisk", "CStore", "Deciding", "Operations", "Scaling", .product(name: "GRDB", package: "GRDB.swift"),
                .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            exclude: ["Fixtures"], swiftSettings: strict),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "Base", "BasePolicy", "CJSON", "Deciding", "HTTPServer", "Operations", "Service", "Scaling", "Agents", "Store", "Learning", "Neural",
                .product(name: "Crypto", package: "swift-crypto"), .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: strict),
        .testTarget(
            name: "SimulationTests",
            dependencies: [
                "API", "Agents", "Base", "CFaultyDisk", "Deciding", "Learning", "Operations", "Scaling", "Store",
                .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
        .testTarget(name: "RecommenderTests", dependencies: ["Recommender", "Scaling"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Service", "HTTPServer", "Agents", "Base", "BasePolicy", "ClusterModel", "Deciding", "Experiments", "Learning", "Neural", "Scaling", "Store", "aware",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)
