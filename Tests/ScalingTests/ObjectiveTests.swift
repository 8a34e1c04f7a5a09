// The objective: what a step costs, and that no trade-off makes harm pay.

import Scaling
import Testing

@Suite struct ObjectiveTests {
    private func objective(savings: Double) -> BillObjective {
        var objective = BillObjective()
        objective.savings = savings
        return objective
    }

    @Test func theBillIsWhatIsAllocatedInAll() {
        let bill = BillObjective().hourlyBill(
            Allocation(replicas: 4, cpuMillicores: 500, memoryBytes: 2 << 30))
        #expect(bill == 2 + 8 * 0.125)
        #expect(BillObjective().bill(cores: 3, gibibytes: 8) == 4)
    }

    @Test func needIsTheLoadAtSixtyPercentAndItsMemory() {
        #expect(abs(BillObjective().hourlyNeed(cores: 3, gibibytes: 4) - 5.5) < 1e-12)
        // An idle application needs a tenth of a core.
        #expect(abs(BillObjective().hourlyNeed(cores: 0, gibibytes: 0) - 0.1) < 1e-12)
    }

    @Test(arguments: [0, 0.25, 0.5, 0.75, 1]) func harmNeverPays(savings: Double) {
        let objective = objective(savings: savings)
        let step = BillObjective.Step()
        let cost = objective.cost(step)
        func changed(_ change: (inout BillObjective.Step) -> Void) -> Double {
            var other = step
            change(&other)
            return objective.cost(other)
        }
        #expect(cost > 0)
        #expect(changed { $0.violated = true } > cost)
        #expect(changed { $0.preservation = 0.5 } > cost)
        #expect(changed { $0.oomKills = 1 } > cost)
        #expect(changed { $0.replicasChanged = true } > cost)
        #expect(changed { $0.resized = true } > cost)
        #expect(changed { $0.relativeBill = 2 } > cost)
        // A change costs less than a minute's need, or nothing would ever come down.
        #expect(changed { $0.replicasChanged = true } - cost < changed { $0.relativeBill = 2 } - cost)
    }

    @Test func savingsPriceTheBillAgainstViolations() {
        var violating = BillObjective.Step()
        violating.violated = true
        violating.preservation = 0.8
        var dear = BillObjective.Step()
        dear.relativeBill = 6
        // Who saves nothing would rather pay six times the need than miss a minute; who saves all would not.
        #expect(objective(savings: 0).cost(violating) > objective(savings: 0).cost(dear))
        #expect(objective(savings: 1).cost(violating) < objective(savings: 1).cost(dear))
    }

    @Test func toleratedViolationsAreThrift() {
        var objective = BillObjective()
        #expect(objective.thrift == 0.5)
        objective.maxViolations = 0.1
        #expect(abs(objective.thrift - 0.794) < 0.001)
        objective.maxViolations = 0.0001
        #expect(objective.thrift == 0)
        objective.savings = 1
        #expect(objective.thrift < 0.5)
    }
}
