# PyTorch's training step (forward, squared error, backward, Adam) of the 6-64-64-5 network, the ways a team would try it.
# Run by `aware-bench learn` with one of: eager, threads (all cores), compiled. Prints one "batch: microseconds" line a batch.
import sys
import time

import torch
from torch import nn

kind = sys.argv[1]
if kind != "threads":
    torch.set_num_threads(1)


def best(call, repeats, rounds=7):
    """The best of several rounds, as our own side is measured."""
    for _ in range(100):
        call()
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            call()
        times.append((time.perf_counter() - start) / repeats)
    return min(times) * 1e6


for batch in (1, 5, 64, 256):
    network = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 5))
    # Compiled, the whole step is one graph, its optimiser fused; the rate is a tensor, or each step compiles anew.
    rate = torch.tensor(3e-4) if kind == "compiled" else 3e-4
    optimizer = torch.optim.Adam(network.parameters(), lr=rate, capturable=False, fused=kind != "compiled")
    x, target = torch.randn(batch, 6), torch.randn(batch, 5)

    def step():
        loss = ((network(x) - target) ** 2).mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    print(f"{batch}: {best(torch.compile(step) if kind == 'compiled' else step, 500):.1f}", flush=True)
