// What a simulated step costs, by the truth: money, and the terms of the objective.

import Scaling

extension StepOutcome {
    /// Money an hour for what was allocated.
    public func hourlyBill(_ profile: Profile) -> Double {
        let (cores, gibibytes) = meanAllocation(profile)
        return profile.bill.bill(cores: cores, gibibytes: gibibytes)
    }

    /// Money an hour for what the load used.
    public func hourlyNeed(_ profile: Profile) -> Double {
        let (cores, gibibytes) = meanAllocation(profile)
        return profile.bill.hourlyNeed(cores: cpuUtilization * cores, gibibytes: memoryUtilization * gibibytes)
    }

    /// - Parameter need: money an hour that the load needs on average; `nil` takes what this step needed.
    public func objective(_ profile: Profile, need: Double? = nil) -> BillObjective.Step {
        var step = BillObjective.Step()
        step.violated = violated
        step.preservation = sloPreservation
        step.oomKills = oomKills
        step.replicasChanged = replicasChanged
        step.resized = resized
        step.relativeBill = min(hourlyBill(profile) / max(need ?? hourlyNeed(profile), 1e-9), 1000)
        return step
    }

    private func meanAllocation(_ profile: Profile) -> (cores: Double, gibibytes: Double) {
        let seconds = Double(profile.stepSeconds)
        return (coreSeconds / seconds, byteSeconds / seconds / 1_073_741_824)
    }
}
