// Synthetic applications, recorded traces and generated load.

@testable import Base
import Foundation
import Scaling
import Testing

@testable import ClusterModel
@testable import Experiments

@Suite struct SyntheticApplicationTests {
    @Test func sequencesAreUniqueAndTheSplitIsDisjoint() {
        let (training, test) = SyntheticApplication.split(seed: 1)
        #expect(training.count == 800 && test.count == 200)
        #expect(Set((training + test).map(\.name)).count == 1000)
        #expect(SyntheticApplication.split(seed: 1).test == test)
        #expect(SyntheticApplication.split(seed: 2).test != test)
    }

    @Test func everyApplicationCanMeetItsObjectiveWithinTheDefaultLimits() {
        for application in SyntheticApplication.generate(count: 1000, seed: 3) {
            let profile = application.profile
            #expect(application.capacity(profile: profile) > 0)
            #expect(profile.clamp(application.defaultSize) == application.defaultSize, "\(application.name)")
            #expect(application.name.utf8.count <= 253)
            #expect((30...60).contains(application.service.startupSeconds))
        }
    }

    @Test func sixteenSegmentsWithDistinctNames() {
        #expect(Segment.all.count == 16 && Set(Segment.all.map(\.name)).count == 16)
    }

    @Test func moreCoresThanARequestCanUseDoNotMakeItFaster() {
        let service = SyntheticApplication(segments: [Segment.all[0]], seed: 1).service
        #expect(service.cpuTime(cores: 1) == service.cpuTime(cores: 2))
        #expect(abs(service.cpuTime(cores: 0.5) - 2 * service.cpuTime(cores: 1)) < 1e-12)
    }

    @Test func updatesMultiplyDemands() {
        let service = SyntheticApplication(segments: [Segment.all[1]], seed: 1).service
        let heavier = service.applying(WorkloadUpdate("x", cpu: 2, memory: 3))
        #expect(heavier.cpuSeconds == 2 * service.cpuSeconds && heavier.baseBytes == 3 * service.baseBytes)
        #expect(heavier.ioSeconds == service.ioSeconds)
    }
}

@Suite struct LoadTraceTests {
    private func parse(_ text: String) throws(LoadTrace.Failure) -> LoadTrace {
        try LoadTrace(name: "t", parsing: Array(text.utf8))
    }

    @Test func readsMinutesAndSeconds() throws {
        let minutes = try parse("minute,requests\n0,60\n5,120\r\n10,30\n")
        #expect(minutes.intervalSeconds == 300 && minutes.requests == [60, 120, 30])
        #expect(try parse("second,requests\n0,1\n1,2").intervalSeconds == 1)
    }

    @Test func namesTheLineThatIsWrong() {
        #expect(throws: LoadTrace.Failure.header) { try parse("requests,minute\n1,2\n") }
        #expect(throws: LoadTrace.Failure.length) { try parse("minute,requests\n0,1\n") }
        #expect(throws: LoadTrace.Failure.line(number: 3)) { try parse("minute,requests\n0,1\n1,-2\n") }
        #expect(throws: LoadTrace.Failure.line(number: 4)) { try parse("minute,requests\n0,1\n5,2\n7,2\n") }
        #expect(throws: LoadTrace.Failure.line(number: 3)) { try parse("minute,requests\n5,1\n5,2\n") }
        #expect(throws: LoadTrace.Failure.length) { try parse("minute,requests\n0,1\n1,2\n1000000000,2\n") }
        #expect(throws: LoadTrace.Failure.line(number: 3)) { try parse("minute,requests\n0,1\n1,nan\n") }
    }

    @Test func shortHolesAreBridgedAndLongOnesAvoided() {
        var rows: [Double?] = (0..<400).map { _ in 10 }
        rows[50] = nil
        for index in 200..<240 { rows[index] = 0 }
        let trace = LoadTrace(name: "t", intervalSeconds: 60, requests: rows)
        #expect(trace.requests[50] == 10 && trace.requests[210] == nil)
        let windows = trace.windows(count: 20, steps: 100, seed: 1)
        #expect(windows.count == 20 && windows.allSatisfy { $0.count == 1200 && $0.allSatisfy { $0 == 10 } })
    }

    @Test func windowsStayInTheirPartAndFollowTheSeed() {
        let trace = LoadTrace(name: "t", intervalSeconds: 60, requests: (0..<1000).map { Double($0) + 1 })
        let test = trace.windows(count: 10, steps: 50, seed: 4, part: 0.7..<1)
        #expect(test.count == 10 && test.allSatisfy { $0.min()! > 695 })
        #expect(test == trace.windows(count: 10, steps: 50, seed: 4, part: 0.7..<1))
        #expect(trace.windows(count: 1, steps: 5000, seed: 4).isEmpty)
    }

    @Test func scalingPutsThePeakAtTheLevel() {
        #expect(LoadLevel.scale([1, 2, 4], to: 0.5, of: 200) == [25, 50, 100])
        #expect(LoadLevel.scale([0, 0], to: 0.5, of: 200) == [0, 0])
        var random = SimulationRandom(seed: 1)
        let levels = (0..<1000).map { _ in LoadLevel.draw(using: &random) }
        #expect(levels.min()! >= 0.15 && levels.max()! <= 0.9)
    }

    @Test func readsTheSharedTraces() throws {
        let shared = ProcessInfo.processInfo.environment["AWARE_SHARED"] ?? "../shared"
        guard let bytes = FileManager.default.contents(atPath: "\(shared)/data/traces/nasa_http_1995.csv") else {
            print("skipped: \(shared)/data/traces is not here")
            return
        }
        let nasa = try LoadTrace(name: "nasa", parsing: Array(bytes))
        #expect(nasa.requests.compactMap(\.self).reduce(0, +) == 3_461_612)
        #expect(nasa.requests[40_000] == nil && nasa.requests[46_000] == nil)
    }
}

@Suite struct LoadGeneratorTests {
    @Test func sameSeedSameLoad() {
        #expect(LoadGenerator.window(steps: 50, seed: 1) == LoadGenerator.window(steps: 50, seed: 1))
        #expect(LoadGenerator.window(steps: 50, seed: 1) != LoadGenerator.window(steps: 50, seed: 2))
        #expect(LoadGenerator.window(steps: 50, seed: 1).allSatisfy { $0 > 0 && $0 < 50 })
    }

    @Test func seasonsReturnAndDriftGrows() {
        var options = LoadGenerator.Options()
        (options.noise, options.wander, options.burstsPerHour, options.flashCrowdsPerDay) = (0, 0, 0, 0)
        (options.rampsPerDay, options.weekly) = (0, 0)
        var season = LoadGenerator(options: options, seed: 1)
        let day = Int(options.daySeconds / Cluster.subStepSeconds)
        let values = (0..<3 * day).map { _ in season.next() }
        #expect(abs(values[100] - values[100 + day]) < 1e-6)
        #expect(values.max()! > 1.5 * values.min()!)
        options.driftPerDay = 0.5
        var growing = LoadGenerator(options: options, seed: 1)
        let grown = (0..<3 * day).map { _ in growing.next() }
        #expect(grown[100 + 2 * day] > grown[100])
    }

    @Test func outagesComeAndGo() {
        var options = LoadGenerator.Options()
        options.outagesPerDay = 20
        var generator = LoadGenerator(options: options, seed: 1)
        let available = (0..<20_000).map { _ in
            _ = generator.next()
            return generator.metricsAvailable
        }
        let share = Double(available.count { $0 }) / 20_000
        #expect(share > 0.3 && share < 0.95)
    }
}
