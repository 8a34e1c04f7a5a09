// A team's own past: what is read from each kind of file, what is refused and how, and what a replay makes of it.

import ClusterModel
import Deciding
import Foundation
import Learning
import Scaling
import Testing

@testable import Experiments

@Suite struct HistoryReaderTests {
    private func read(_ text: String, as measure: HistoryMeasure = .requestRate) throws -> [HistoryMeasure: [HistoryReading]] {
        try HistoryReader.read(Array(text.utf8), as: measure).readings
    }

    private func problem(_ text: String) -> String {
        do {
            _ = try read(text)
            return "none"
        } catch {
            return "\(error)"
        }
    }

    @Test func tablesWithAnySeparatorAndTime() throws {
        let unix = try read("time,requestRate,cpuCores\n1793750400,5,0.5\n1793750460,6,NaN\n")
        #expect(unix[.requestRate]?.map(\.time) == [1_793_750_400, 1_793_750_460])
        #expect(unix[.requestRate]?.map(\.value) == [5, 6])
        #expect(unix[.cpuCores]?.count == 1)
        let dates = try read("\u{FEFF}\"timestamp\";\"rps\"\r\n\"2026-11-04T00:00:00Z\";5\r\n\"2026-11-04 00:01:00\";6\r\n")
        #expect(dates[.requestRate]?.map(\.time) == [1_793_750_400, 1_793_750_460])
        let milliseconds = try read("timestamp\trps\n1793750400000\t5\n")
        #expect(milliseconds[.requestRate]?.first?.time == 1_793_750_400)
        // Requests of an interval become requests a second.
        let counts = try read("minute,requests\n0,60\n5,300\n10,600\n")
        #expect(counts[.requestRate]?.map(\.value) == [0.2, 1, 2])
        #expect(counts[.requestRate]?.map(\.time) == [0, 300, 600])
    }

    @Test func whatIsWrongInATableIsSaidWithItsLine() {
        #expect(problem("").contains("empty"))
        #expect(problem("a,b\n1,2\n").contains("no column time"))
        #expect(problem("time,b\n1,2\n").contains("no column is a known measure"))
        #expect(problem("time,rps\n1,2\n2,x\n") == "line 3: rps \"x\" is no number")
        #expect(problem("time,rps\nyesterday,2\n") == "line 2: time \"yesterday\" is no time")
        #expect(problem("time,rps\n1,2,3\n") == "line 2: 3 fields where the header has 2")
        #expect(problem("root:x:0:0:root:/root:/bin/bash\n").contains("no column time"))
        #expect(problem("{\"a\": 1}").contains("no series"))
        #expect(problem("{broken").contains("query_range"))
    }

    @Test func accessLogs() throws {
        let lines = [
            "10.0.0.1 - - [04/Nov/2026:01:00:01 +0100] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\" 0.250",
            "10.0.0.1 - ann [04/Nov/2026:00:00:02 +0000] \"GET /a b HTTP/1.1\" 200 12 \"-\" \"curl\" 0.050",
            "10.0.0.2 - - [04/Nov/2026:00:02:00 +0000] \"GET / HTTP/1.1\" 200 12 \"-\" \"curl\" rt=0.100",
        ]
        let read = try read(lines.joined(separator: "\n"))
        let rates = try #require(read[.requestRate])
        #expect(rates.first?.time == 1_793_750_400 && rates.first?.value == 2.0 / 5)
        // Every bin up to the last line is there, those without a line with 0.
        #expect(rates.count == 25 && rates[3].value == 0)
        #expect(read[.latencySeconds]?.map(\.value) == [0.25, 0.1])
        let common = try self.read("h - - [04/Nov/2026:00:00:02 +0000] \"GET / HTTP/1.0\" 200 2326\n")
        #expect(common[.latencySeconds] == nil)
    }

    @Test func answersOfPrometheus() throws {
        let text = """
            {"status":"success","data":{"resultType":"matrix","result":[
              {"metric":{"pod":"a"},"values":[[1793750400,"1"],[1793750460.5,"2"]]},
              {"metric":{"pod":"b"},"values":[[1793750400,"10"],[1793750460.5,"NaN"]]}]}}
            """
        #expect(try read(text)[.requestRate]?.map(\.value) == [11, 2])
        #expect(try read(text, as: .latencySeconds)[.latencySeconds]?.map(\.value) == [10, 2])
        #expect(problem("{\"status\":\"error\",\"error\":\"bad query\"}").contains("bad query"))
    }
}

@Suite struct HistoryTests {
    private func readings(_ minutes: Range<Int>, every step: Int = 1) -> [HistoryReading] {
        stride(from: minutes.lowerBound, to: minutes.upperBound, by: step).map { (Double($0) * 60, Double($0 % 60 + 1)) }
    }

    @Test func theLongestStretchIsUsedAndSmallHolesAreBridged() throws {
        let history = try History([
            .requestRate: readings(0..<300) + readings(310..<700) + readings(900..<1000),
            .replicas: [(0, 2), (18_000, 4)], .oomKills: [(100, 1), (110, 2)],
        ])
        #expect(history.minuteCount == 699)
        #expect(history.load.count == 699 * 12)
        #expect(history.notes == ["301 of 1000 minutes lie beyond a hole and are left out"])
        #expect(history.minutes[.oomKills]?[1] == 3)
        #expect(history.minutes[.replicas]?[0] == 2)
    }

    @Test func coarseReadingsAreMinutesToo() throws {
        let history = try History([.requestRate: readings(0..<1500, every: 5), .cpuCores: readings(0..<1500, every: 5)])
        #expect(history.minuteCount == 1496)
        #expect(history.load.allSatisfy { $0 > 0 })
        #expect(history.minutes[.cpuCores]?.allSatisfy { $0 != nil } == true)
        // Half-way between two readings lies their mean.
        #expect(abs(history.load[5 * 12 + 30] - 8.5) < 0.1)
    }

    @Test func whatCannotBeUsedIsSaid() {
        #expect(throws: HistoryError("its longest stretch without a hole is 100 minutes of 100, and 240 are needed")) {
            try History([.requestRate: readings(0..<100)])
        }
        #expect(throws: HistoryError.self) { try History([.cpuCores: readings(0..<1000)]) }
        #expect(throws: HistoryError("there is not one request in it")) {
            try History([.requestRate: (0..<300).map { (Double($0) * 60, 0) }])
        }
        #expect(throws: HistoryError.self) { try History([.requestRate: [(0, 1), (1e12, 1)]]) }
    }
}

@Suite struct ReplayTests {
    /// A history that an application of the cluster model would have left, under HPA.
    private func lived(_ application: SyntheticApplication, minutes: Int) -> [HistoryMeasure: [HistoryReading]] {
        let profile = application.profile
        let capacity = application.capacity(profile: profile)
        let load = (0..<minutes * 12).map { index -> Double in
            capacity * 0.25 * (1 + 0.6 * sin(Double(index) / 12 / 1440 * 2 * .pi * 4))
        }
        var cluster = Cluster(application: application, seed: 7)
        var rules = RulesController(
            profile: profile, options: Rules.Options(mode: .replicas, cpuTarget: 0.6, fixedCpu: 1024, fixedMemory: application.defaultSize.memoryBytes))
        var readings: [HistoryMeasure: [HistoryReading]] = [:]
        var desired = Allocation(replicas: 8, cpuMillicores: 1024, memoryBytes: application.defaultSize.memoryBytes)
        for minute in 0..<minutes {
            let outcome = cluster.step(desired: desired, load: load[minute * 12..<(minute + 1) * 12])
            let ran = cluster.allocation
            let time = 1_793_750_400 + 60 * Double(minute)
            let cores = Double(ran.replicas * ran.cpuMillicores) / 1000
            for (measure, value) in [
                (HistoryMeasure.requestRate, outcome.arrived / 60), (.cpuCores, outcome.cpuUtilization * cores),
                (.memoryBytes, outcome.memoryUtilization * Double(ran.replicas * ran.memoryBytes)),
                (.latencySeconds, outcome.latencySeconds), (.replicas, Double(ran.replicas)),
                (.cpuLimit, Double(ran.cpuMillicores)), (.memoryLimit, Double(ran.memoryBytes)),
                (.oomKills, Double(outcome.oomKills)),
            ] { readings[measure, default: []].append((time, value)) }
            desired = rules.decide(outcome.observation, current: ran)
        }
        return readings
    }

    private let policy = Policy(shape: .cluster(recurrentSize: 0), seed: 5)

    @Test func theModelSaysOfWhatRanWhatWasMeasured() throws {
        let application = SyntheticApplication.split(seed: 1).test[3]
        let history = try History(lived(application, minutes: 900))
        var options = ReplayOptions()
        options.sloSeconds = application.sloSeconds
        options.savings = [0.5]
        let model = HistoryModel(history, options)
        #expect(model.isFitted && model.recorded?.count == 900)
        let fitted = try #require(model.parts.first?.application.service)
        #expect(abs(fitted.cpuSeconds / application.service.cpuSeconds - 1) < 0.05)
        let study = HistoryStudy(model, minutes: history.minuteCount, policy: policy, options: options)
        let finished = Counter()
        let result = study.run(history, progress: { finished.add() })
        #expect(finished.count == study.trials)
        #expect(result.calibratedMinutes == 495 && result.judgedMinutes == 405)
        var rows: [String: ReplayRow] = [:]
        for row in result.rows { rows[row.name] = row }
        let measured = try #require(rows[ReplayRow.measured])
        let modelled = try #require(rows[ReplayRow.modelled])
        #expect(abs(measured.billPerDay / modelled.billPerDay - 1) < 0.02)
        #expect(abs((measured.violationRate ?? 1) - (modelled.violationRate ?? 0)) < 0.05)
        #expect(rows["hpa-vpa calibrated"]?.billOverRules == 1)
        #expect(Set(rows.keys) == [ReplayRow.measured, ReplayRow.modelled, "hpa default", "hpa-vpa default", "hpa calibrated", "hpa-vpa calibrated", "aware"])
        #expect(result.lines.allSatisfy { $0.cores.count == 405 })
        // The same seed, the same table.
        #expect(study.run(history) == result)
    }

    @Test func requestsAloneArePlayedOnStandIns() throws {
        let readings = (0..<400).map { minute -> HistoryReading in (Double(minute) * 60, 50 + 30 * sin(Double(minute) / 60)) }
        let history = try History([.requestRate: readings])
        var options = ReplayOptions()
        options.savings = [0.5]
        let model = HistoryModel(history, options)
        #expect(!model.isFitted && model.parts.count == 5 && model.recorded == nil)
        #expect(model.notes.first?.contains("five applications stand in") == true)
    }

    /// Counts from any thread.
    private final class Counter: @unchecked Sendable {
        private let lock = NSLock()
        private var value = 0
        var count: Int { lock.withLock { value } }
        func add() { lock.withLock { value += 1 } }
    }
}
