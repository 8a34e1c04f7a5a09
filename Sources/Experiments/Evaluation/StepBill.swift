// What a simulated step costs, by the truth: the terms of the objective, and money.

import ClusterModel
import Scaling

extension StepOutcome {
    /// - Parameter need: money an hour that the load needs on average; `nil` takes what this step needed.
    func billed(_ profile: Profile, need: Double? = nil) -> (cost: Double, money: Double) {
        let (seconds, bill) = (Double(profile.stepSeconds), profile.bill)
        let (cores, gibibytes) = (coreSeconds / seconds, byteSeconds / seconds / 1_073_741_824)
        let hourly = bill.bill(cores: cores, gibibytes: gibibytes)
        var step = BillObjective.Step()
        step.violated = violated
        step.preservation = sloPreservation
        step.oomKills = oomKills
        step.replicasChanged = replicasChanged
        step.resized = resized
        step.relativeBill = hourly / (need ?? bill.hourlyNeed(cores: cpuUtilization * cores, gibibytes: memoryUtilization * gibibytes))
        return (bill.cost(step), hourly * seconds / 3600)
    }
}
