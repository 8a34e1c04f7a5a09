// swift-tools-version: 6.1
// aware: a policy server for autoscaling. Targets appear in the order in which they depend on each other.

import PackageDescription

let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// For what runs for every request: the run-time check that nobody else accesses a stored property is 4 % of a request.
/// Debug builds and the sanitizers keep it.
let served: [SwiftSetting] =
    strict + [.unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))]

let package = Package(
    name: "aware",
    dependencies: [
        .package(url: "https://github.com/groue/GRDB.swift", exact: "7.10.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", exact: "4.5.2"),
    ],
    targets: [
        .target(name: "CLinux"),
        .target(name: "CMatrix"),
        .target(
            name: "CJSON", cxxSettings: [.define("NDEBUG")],
            linkerSettings: [.linkedLibrary("simdjson"), .linkedLibrary("stdc++")]),
        .target(name: "HTTPServer", dependencies: ["CLinux"], swiftSettings: served, linkerSettings: [.linkedLibrary("z")]),
        .target(name: "Neural", dependencies: ["CMatrix"], swiftSettings: strict),
        .target(name: "Scaling", swiftSettings: strict),
        .target(name: "Learning", dependencies: ["Neural", "Scaling"], swiftSettings: strict),
        .target(name: "Simulator", dependencies: ["Scaling", "Neural", "Learning"], swiftSettings: strict),
        .target(
            name: "BasePolicy", dependencies: ["Learning"], exclude: ["base.json"],
            resources: [.embedInCode("base.policy"), .embedInCode("base.encoder")], swiftSettings: strict),
        .target(name: "Agents", dependencies: ["Scaling", "Neural", "Learning", "Simulator"], swiftSettings: strict),
        .target(
            name: "Store", dependencies: ["Agents", "Scaling", .product(name: "GRDB", package: "GRDB.swift"), .product(name: "GRDBSQLite", package: "GRDB.swift")],
            resources: [.embedInCode("Migrations")], swiftSettings: strict),
        .target(
            name: "API",
            dependencies: [
                "HTTPServer", "Agents", "Store", "Scaling", "Learning", "Neural", "CJSON",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            resources: [.embedInCode("Public")], swiftSettings: strict),
        .systemLibrary(name: "CCurl", pkgConfig: "libcurl", providers: [.apt(["libcurl4-openssl-dev"])]),
        .target(name: "Recommender", dependencies: ["CCurl", "Scaling"], swiftSettings: strict),
        .target(
            name: "Service",
            dependencies: ["API", "Store", "Agents", "BasePolicy", "HTTPServer", "Learning", "Recommender", "Scaling"],
            swiftSettings: strict),
        .executableTarget(
            name: "aware",
            dependencies: [
                "Service", "API", "Store", "HTTPServer", "Simulator", "BasePolicy", "Recommender", "Scaling", "Learning", "Neural",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ], swiftSettings: strict),
        .executableTarget(
            name: "aware-bench",
            dependencies: ["Simulator", "Learning", "Neural", "Scaling", "HTTPServer", .product(name: "ArgumentParser", package: "swift-argument-parser")],
            resources: [.embedInCode("cluster_peer.py")], swiftSettings: strict),
        .target(name: "CCounter", path: "Tests/CCounter"),
        .testTarget(name: "HTTPServerTests", dependencies: ["HTTPServer", "CLinux", "CCounter"], swiftSettings: strict),
        .testTarget(name: "NeuralTests", dependencies: ["Neural"], exclude: ["Golden"], swiftSettings: strict),
        .testTarget(name: "ScalingTests", dependencies: ["Scaling"], swiftSettings: strict),
        .testTarget(name: "LearningTests", dependencies: ["Neural", "Learning", "CCounter"], exclude: ["Golden"], swiftSettings: strict),
        .testTarget(name: "SimulatorTests", dependencies: ["Simulator", "Scaling", "Neural", "Learning"], swiftSettings: strict),
        .testTarget(
            name: "AgentsTests", dependencies: ["Agents", "CCounter", "BasePolicy", "Store", "Simulator", "Learning", "Neural", "Scaling"], exclude: ["Scenarios"],
            swiftSettings: strict),
        .testTarget(
            name: "StoreTests", dependencies: ["Store", "Agents", "Scaling", .product(name: "GRDB", package: "GRDB.swift")],
            swiftSettings: strict),
        .testTarget(
            name: "APITests",
            dependencies: [
                "API", "BasePolicy", "CJSON", "HTTPServer", "Service", "Scaling", "Agents", "Store", "Learning", "Neural",
                .product(name: "Crypto", package: "swift-crypto"),
            ],
            swiftSettings: strict),
        .testTarget(name: "RecommenderTests", dependencies: ["Recommender", "Scaling"], swiftSettings: strict),
        .testTarget(
            name: "EndToEndTests",
            dependencies: [
                "Service", "HTTPServer", "Agents", "BasePolicy", "Learning", "Neural", "Scaling", "Simulator", "aware",
                .product(name: "GRDB", package: "GRDB.swift"),
            ],
            swiftSettings: strict),
    ],
    cxxLanguageStandard: .cxx17
)
