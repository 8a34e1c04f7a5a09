// When an application's rules are set anew, and back.

import Base
import ClusterModel
import Scaling

extension ApplicationLearner {
    /// How rules and policy are set, and what is remembered of it. One value, so that it is stored and taken back as a whole.
    struct CalibrationState: Sendable, Equatable {
        /// `nil` as the profile's `fallback` says.
        var calibration: Calibration?
        /// What a roll-back goes back to.
        var previous: Calibration?
        /// The episode after which the record was last searched, 0 before.
        var searched = 0
        /// The episode after which the application could not be identified from its record, 0 where it could.
        var failed = 0
        /// The first search since the workload changed has not seen a whole day.
        var hasSeenDay = false
        /// Episodes that missed the objective beyond the owner's bound since then, in which the rules acted.
        var missed = 0
        /// An operator took a setting back: the next search is the daily one.
        var isTakenBack = false
        /// CPU of a replica as its owner configured it, in millicores; `nil` before it was seen.
        var configuredCpu: Int?

        /// Tells what the owner configured from the size that the rules keep, which calibration may have chosen.
        mutating func saw(cpu: Int?) {
            guard let cpu, cpu != calibration?.cpuMillicores, cpu != previous?.cpuMillicores else { return }
            configuredCpu = cpu
        }

        /// - Parameter episode: the last one; the next search is a day after it.
        mutating func takeBack(at episode: Int?) {
            (calibration, previous) = (previous, nil)
            searched = episode ?? max(1, searched)
            hasSeenDay = true
            isTakenBack = true
            missed = 0
        }

        var thrift: Double? { calibration?.thrift }

        mutating func setThrift(_ thrift: Double?, _ profile: Profile) {
            guard thrift != calibration?.thrift else { return }
            var changed = calibration ?? Calibration(profile)
            changed.thrift = thrift
            calibration = changed
        }
    }

    static let daySeconds = 86_400
    /// A day's record is read in so many episodes at most.
    static let dayEpisodesMax = 64

    /// Searches the record for a better setting when it is time: as soon as the application can be identified, once a day, and
    /// when the rules keep missing the objective.
    ///
    /// - Returns: how much more the rules are judged to earn by it.
    mutating func calibrate(_ summary: EpisodeSummary, _ source: LearningSource, _ progress: inout Progress) throws -> Double {
        let profile = source.profile
        // Other wishes of the owner, or none of this: what was found is void.
        if let found = calibrated.calibration, !found.applies(to: profile) { calibrated = CalibrationState() }
        guard profile.fallback.calibrate else { return 0 }
        if summary.controller != .policy, summary.violations > max(2 * profile.bill.maxViolations, Self.manyViolations) {
            calibrated.missed += 1
        }
        let dayEpisodes = min(
            max(1, Self.daySeconds / max(1, profile.stepSeconds * profile.episodeSteps)), Self.dayEpisodesMax)
        let coversDay = recent.count * profile.episodeSteps * profile.stepSeconds >= Self.daySeconds
        let reason: Calibrated.Reason? =
            if calibrated.searched == 0 {
                recent.count >= Lifecycle.firstRulesEpisodes ? .firstRecord : nil
            } else if coversDay && (!calibrated.hasSeenDay || summary.number - calibrated.searched >= dayEpisodes) {
                .daily
            } else if calibrated.missed >= Self.missedMax, !calibrated.isTakenBack {
                .missing
            } else { nil }
        // What cannot be identified is not read again after every episode.
        let wait = recent.count < dayEpisodes ? Self.retryEpisodes : dayEpisodes
        guard let reason, calibrated.failed == 0 || summary.number - calibrated.failed >= wait else { return 0 }
        let record = try source.record(of: recent.suffix(coversDay ? max(dayEpisodes + 1, Self.recordEpisodes) : Self.recordEpisodes))
        return calibrate(record, coversDay: coversDay, reason, episode: summary.number, profile, &progress)
    }

    /// Searches `record`; does nothing while the application cannot be identified from it.
    mutating func calibrate(
        _ record: (steps: [RecordedStep], fixedCpu: Int?), coversDay: Bool, _ reason: Calibrated.Reason, episode: Int,
        _ profile: Profile, _ progress: inout Progress
    ) -> Double {
        let current = calibrated.calibration ?? Calibration(profile)
        calibrated.saw(cpu: record.fixedCpu)
        guard CandidateEvaluator.isEnough(record.steps.count, profile),
            let replay = FittedReplay(
                record.steps, profile: profile, fixedCpu: calibrated.configuredCpu, calibration: current,
                warmUpSteps: CandidateEvaluator.windowSteps, windowSteps: CandidateEvaluator.windowSteps,
                seed: UInt64(episode)), replay.windows >= Lifecycle.estimateWindowsMin
        else {
            calibrated.failed = max(1, episode)
            return 0
        }
        calibrated.failed = 0
        calibrated.searched = max(1, episode)
        calibrated.hasSeenDay = calibrated.hasSeenDay || coversDay
        calibrated.missed = 0
        calibrated.isTakenBack = false
        let calibrator = RulesCalibrator(
            replay: replay, profile: profile, current: current, configuredCpu: calibrated.configuredCpu, coversDay: coversDay)
        let (found, present) = calibrator.search()
        guard let found else { return 0 }
        calibrated.previous = calibrated.calibration
        calibrated.calibration = found.calibration
        let part: KeyPath<ReplayWindow, Double> = profile.goesByReward ? \.reward : \.value
        // The best of thirty settings looks better on the record that chose it than it is: hence less the error.
        let gain = max(0, found.outcome[keyPath: part] - present.outcome[keyPath: part] - found.standardError)
        lifecycle.rulesChanged(by: gain)
        progress.calibrations.append(
            Calibrated(from: current, to: found.calibration, reason: reason, figures: found.figures(before: present)))
        return gain
    }

    /// Episodes that a search looks at before a day is recorded.
    private static let recordEpisodes = 20
    private static let retryEpisodes = 5
    private static let manyViolations = 0.05
    private static let missedMax = 3
}

extension ApplicationLearner.CalibrationState {
    func encode(into writer: inout ByteWriter) {
        for setting in [calibration, previous] { Calibration.encode(setting, into: &writer) }
        writer.write(Int32(clamping: configuredCpu ?? -1))
        for count in [searched, missed, failed] { writer.write(UInt32(clamping: count)) }
        writer.write(hasSeenDay)
        writer.write(isTakenBack)
    }

    init(from reader: inout ByteReader) throws(ByteReader.Failure) {
        calibration = try Calibration.decode(from: &reader)
        previous = try Calibration.decode(from: &reader)
        let cpu = Int(try reader.integer(Int32.self))
        configuredCpu = cpu > 0 ? cpu : nil
        searched = Int(try reader.integer(UInt32.self))
        missed = Int(try reader.integer(UInt32.self))
        failed = Int(try reader.integer(UInt32.self))
        hasSeenDay = try reader.bool()
        isTakenBack = try reader.bool()
    }
}
