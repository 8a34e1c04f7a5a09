// Rules that fit: target, size and margin of an application's rules, searched in the simulator that was fitted to it.

import Scaling

/// A search along one setting after another: every target at the present size, then other sizes with the targets next to the
/// best one, then wider margins if replicas were killed. About thirty replays.
///
/// What was found may only be trusted as far as the record goes, so a target rises by at most `riseMax` at a time, and towards
/// saving nothing moves before a whole day was recorded; towards safety everything may, at once.
struct RulesCalibrator {
    let replay: FittedReplay
    let profile: Profile
    /// How the rules are set now.
    let current: Calibration
    /// CPU of a replica as its owner configured it, in millicores.
    let configuredCpu: Int?
    /// Whether a whole day is in the record.
    let coversDay: Bool

    /// Share of the bound on violations beyond which the present setting must go.
    private static let slack = 1.5
    /// About five per cent of the bill.
    static let gainMin = 0.02
    static let riseMax = 0.15
    private static let sizes = [0.5, 0.75, 1.5, 2]
    private static let margins = [0.3, 0.5]

    /// One setting and what it brings.
    struct Trial {
        var calibration: Calibration
        var outcome: ReplayWindow
        /// Standard error of the difference to the present setting's value, which is paired.
        var standardError = 0.0
    }

    /// The best setting, `nil` when none is clearly better than the present one; and what the present one brings.
    func search() -> (found: Trial?, present: Trial) {
        let (windows, need) = replay.rules()
        let present = Trial(calibration: current, outcome: windows.mean)
        var best = present
        func consider(_ calibration: Calibration) {
            guard calibration != best.calibration, calibration != current else { return }
            let other = replay.rules(calibration, need: need)
            let trial = Trial(
                calibration: calibration, outcome: other.mean, standardError: other.standardError(\.value, against: windows))
            if isBetter(trial.outcome, than: best.outcome, kills: present.outcome.oomKills) { best = trial }
        }
        for target in targets { consider(with(current) { $0.cpuTarget = target }) }
        if coversDay, let configuredCpu {
            let (center, size) = (best.calibration.cpuTarget, current.cpuMillicores ?? configuredCpu)
            let near = targets.filter { abs($0 - center) < 0.125 }
            for other in Set(Self.sizes.map { onGrid(Double(size) * $0) } + [configuredCpu]).sorted() where other != size {
                for target in near {
                    consider(
                        with(current) {
                            $0.cpuTarget = target
                            $0.cpuMillicores = other == configuredCpu ? nil : other
                            $0.ofConfigured = other == configuredCpu ? nil : configuredCpu
                        })
                }
            }
        }
        if best.outcome.oomKills > 0 {
            for margin in Self.margins where margin > best.calibration.memoryMargin {
                consider(with(best.calibration) { $0.memoryMargin = margin })
            }
        }
        guard best.calibration != current else { return (nil, present) }
        let gain = best.outcome.value - present.outcome.value
        // What is in force must be clearly worse than what would replace it, or it would change from day to day with the noise.
        let mustMend = present.outcome.violations > Self.slack * profile.bill.maxViolations || present.outcome.oomKills > 0
        let mends = mustMend && (keepsTheService(best.outcome, kills: 0) || gain > 0)
        return (mends || gain > max(2 * best.standardError, Self.gainMin) ? best : nil, present)
    }

    /// Targets that may be chosen, rising.
    private var targets: [Double] {
        let highest = min(profile.fallback.cpuTargetMax, coversDay ? current.cpuTarget + Self.riseMax : current.cpuTarget)
        return (1...20).map { Double($0) / 20 }.filter { $0 > profile.fallback.cpuTargetMin - 1e-9 && $0 < highest + 1e-9 }
    }

    private func onGrid(_ millicores: Double) -> Int {
        let steps = (millicores / Double(max(1, profile.cpu.step))).rounded()
        return min(max(Int(steps) * profile.cpu.step, profile.cpu.min), profile.cpu.max)
    }

    private func with(_ calibration: Calibration, _ change: (inout Calibration) -> Void) -> Calibration {
        var result = calibration
        change(&result)
        return result
    }

    private func keepsTheService(_ outcome: ReplayWindow, kills: Double) -> Bool {
        outcome.violations <= profile.bill.maxViolations && outcome.oomKills <= kills
    }

    /// Who keeps the service comes first, then the objective.
    private func isBetter(_ one: ReplayWindow, than other: ReplayWindow, kills: Double) -> Bool {
        let (keeps, otherKeeps) = (keepsTheService(one, kills: kills), keepsTheService(other, kills: kills))
        return keeps == otherKeeps ? one.value > other.value : keeps
    }
}

extension RulesCalibrator.Trial {
    /// As it is told in events; `before` is the setting that it replaces.
    func figures(before: Self) -> [String: Double] {
        var figures = [
            "cpuTarget": calibration.cpuTarget, "memoryMargin": calibration.memoryMargin, "judgedBill": outcome.relativeBill,
            "judgedBillBefore": before.outcome.relativeBill, "judgedViolations": outcome.violations,
            "judgedViolationsBefore": before.outcome.violations, "judgedOomKills": outcome.oomKills,
            "judgedOomKillsBefore": before.outcome.oomKills, "judgedDifference": outcome.value - before.outcome.value,
            "judgedError": standardError,
        ]
        figures["cpuMillicores"] = calibration.cpuMillicores.map(Double.init)
        return figures
    }
}
