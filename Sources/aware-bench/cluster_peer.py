# What a team would write instead: the cluster model in plain Python and in NumPy, and PPO's episodes in PyTorch.
# Run by `aware-bench simulate`; prints one "name: number" line a figure. One thread, CPU time.
import math
import time

import numpy as np

SUB, SECONDS, SLOTS, LOAD_MAX, TAIL = 12, 5.0, 16.0, 0.95, 0.01
WORK, IO, BASE, EACH, START = 0.06, 0.006, 90.0, 10.0, 9


class Cluster:
    """One application, one decision step a call: fluid queue, processor sharing, memory, start-up, noise."""

    def __init__(self, rng):
        self.rng, self.ready, self.backlog, self.slot, self.factor = rng, 4, 0.0, 0, 1.0
        self.replicas, self.starting = 4, [0] * 32

    def step(self, replicas, cpu, memory, load):
        added = replicas - self.replicas
        if added > 0:
            self.starting[(self.slot + START) & 31] += added
        elif added < 0:
            left = -added
            for ahead in range(31, 0, -1):
                index = (self.slot + ahead) & 31
                taken = min(left, self.starting[index])
                self.starting[index] -= taken
                left -= taken
            self.ready -= left
        self.replicas = replicas
        self.factor = 1 + (self.factor - 1) * 0.97 + 0.012 * self.rng.standard_normal()
        parts, used, held, kills = [], 0.0, 0.0, 0
        for rate in load:
            self.slot = (self.slot + 1) & 31
            self.ready += self.starting[self.slot]
            self.starting[self.slot] = 0
            cores = cpu / self.factor
            alone = WORK / min(cores, 1.0)
            each = min(cores / WORK, SLOTS / (IO + alone))
            limit = self.ready * each
            before = self.backlog
            offered = before / SECONDS + rate
            served = min(offered, limit)
            mean = IO + alone / (1 - min(served / limit if limit else 1.0, LOAD_MAX))
            self.backlog = min(max(0.0, (offered - served) * SECONDS), replicas * each * 30)
            flight = min(SLOTS, served / self.ready * mean) if self.ready else 0.0
            used += served * WORK * self.factor
            held += replicas * BASE + self.ready * EACH * flight
            if BASE + EACH * flight > memory and self.ready > 0:
                self.ready -= 1
                self.starting[(self.slot + START) & 31] += 1
                kills += 1
            wait = min(30.0, (before + self.backlog) / 2 / limit) if limit else 30.0
            parts.append((rate + before / SECONDS, wait, mean))
        latency = self.quantile(parts)
        noise = 1 + 0.03 * self.rng.standard_normal(5)
        cpu_use = used / (SUB * replicas * cpu)
        reward = 0.7 * min(1.0, 0.9 / latency) + 0.15 * (min(1, cpu_use) + min(1, held / (SUB * replicas * memory)))
        return reward, noise * (cpu_use, latency, sum(load), kills, self.backlog)

    @staticmethod
    def quantile(parts):
        goal = TAIL * sum(p[0] for p in parts)
        low, high = 0.0, max(d - m * math.log(TAIL) for _, d, m in parts)
        while high - low > 1e-4 * high:
            x = (low + high) / 2
            total = sum(w if x <= d else w * math.exp((d - x) / m) for w, d, m in parts)
            low, high = (x, high) if total > goal else (low, x)
        return high


class Clusters:
    """The same for n applications at once, each line of the above an array operation."""

    def __init__(self, n, rng):
        self.rng, self.n = rng, n
        self.ready, self.backlog, self.factor = np.full(n, 4.0), np.zeros(n), np.ones(n)
        self.replicas, self.starting, self.slot = np.full(n, 4.0), np.zeros((32, n)), 0

    def step(self, replicas, cpu, memory, load):
        added = replicas - self.replicas
        self.starting[(self.slot + START) & 31] += np.maximum(added, 0)
        left = np.maximum(-added, 0)
        for ahead in range(31, 0, -1):
            row = self.starting[(self.slot + ahead) & 31]
            taken = np.minimum(left, row)
            row -= taken
            left = left - taken
        self.ready, self.replicas = self.ready - left, replicas
        self.factor = 1 + (self.factor - 1) * 0.97 + 0.012 * self.rng.standard_normal(self.n)
        weights, waits, means = (np.empty((SUB, self.n)) for _ in range(3))
        used, held = np.zeros(self.n), np.zeros(self.n)
        for index in range(SUB):
            self.slot = (self.slot + 1) & 31
            self.ready += self.starting[self.slot]
            self.starting[self.slot] = 0
            cores = cpu / self.factor
            alone = WORK / np.minimum(cores, 1.0)
            each = np.minimum(cores / WORK, SLOTS / (IO + alone))
            limit = np.maximum(self.ready * each, 1e-9)
            before = self.backlog
            offered = before / SECONDS + load[index]
            served = np.minimum(offered, limit)
            mean = IO + alone / (1 - np.minimum(served / limit, LOAD_MAX))
            self.backlog = np.minimum(np.maximum(0.0, (offered - served) * SECONDS), replicas * each * 30)
            flight = np.minimum(SLOTS, served / np.maximum(self.ready, 1e-9) * mean)
            used += served * WORK * self.factor
            held += replicas * BASE + self.ready * EACH * flight
            killed = ((BASE + EACH * flight > memory) & (self.ready > 0)).astype(float)
            self.ready = self.ready - killed
            self.starting[(self.slot + START) & 31] += killed
            weights[index], waits[index] = load[index] + before / SECONDS, np.minimum(30, (before + self.backlog) / 2 / limit)
            means[index] = mean
        latency = self.quantile(weights, waits, means)
        cpu_use = used / (SUB * replicas * cpu)
        reward = 0.7 * np.minimum(1, 0.9 / latency)
        reward += 0.15 * (np.minimum(1, cpu_use) + np.minimum(1, held / (SUB * replicas * memory)))
        return reward, (1 + 0.03 * self.rng.standard_normal((5, self.n))) * cpu_use

    @staticmethod
    def quantile(weights, waits, means):
        goal = TAIL * weights.sum(0)
        low, high = np.zeros(goal.size), (waits - means * math.log(TAIL)).max(0)
        for _ in range(14):
            x = (low + high) / 2
            total = np.where(x <= waits, weights, weights * np.exp(np.minimum(0, (waits - x) / means))).sum(0)
            low, high = np.where(total > goal, x, low), np.where(total > goal, high, x)
        return high


def rate(steps, body):
    body()
    best = 0.0
    for _ in range(3):
        start = time.process_time()
        body()
        best = max(best, steps / (time.process_time() - start))
    return best


def simulator():
    rng = np.random.default_rng(1)
    load = [40.0 + 10 * math.sin(i) for i in range(SUB)]
    one, many, n = Cluster(rng), Clusters(256, rng), 256
    loads = np.tile(np.array(load)[:, None], (1, n))

    def scalar():
        for i in range(300):
            one.step(4 + i % 3, 1.0, 256.0, load)

    def vector():
        for i in range(20):
            many.step(np.full(n, 4.0 + i % 3), np.ones(n), np.full(n, 256.0), loads)

    print("python steps: %.0f" % rate(300, scalar))
    print("numpy steps: %.0f" % rate(20 * n, vector))


def training():
    import torch
    from torch import nn

    torch.set_num_threads(1)
    heads, features, units, lanes, steps = [6, 5, 6], 52, 32, 32, 100
    width = features + sum(heads) + 1
    gru = nn.GRU(width, units)
    actor = nn.Sequential(nn.Linear(features + units, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 17))
    critic = nn.Sequential(nn.Linear(features + units, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
    parameters = [*gru.parameters(), *actor.parameters(), *critic.parameters()]
    adam = torch.optim.Adam(parameters, lr=1e-3, eps=1e-5)
    rng = np.random.default_rng(1)
    many = Clusters(lanes, rng)
    loads = np.full((SUB, lanes), 40.0)

    def logp(logits, actions):
        parts = torch.split(logits, heads, -1)
        dists = [torch.distributions.Categorical(logits=p) for p in parts]
        return sum(d.log_prob(a) for d, a in zip(dists, actions.unbind(-1))), sum(d.entropy() for d in dists)

    def iteration():
        inputs, actions, olds, values, rewards = [], [], [], [], []
        hidden = torch.zeros(1, lanes, units)
        with torch.no_grad():
            for step in range(steps):
                x = torch.randn(1, lanes, width)
                out, hidden = gru(x, hidden)
                both = torch.cat([x[0, :, :features], out[0]], -1)
                logits = actor(both)
                parts = torch.split(logits, heads, -1)
                action = torch.stack([torch.distributions.Categorical(logits=p).sample() for p in parts], -1)
                old, _ = logp(logits, action)
                reward, _ = many.step(4.0 + action[:, 0].numpy() % 3, np.ones(lanes), np.full(lanes, 256.0), loads)
                inputs.append(x[0]), actions.append(action), olds.append(old), values.append(critic(both)[:, 0])
                rewards.append(torch.tensor(reward, dtype=torch.float32) * 0.1)
        x, a, old, v = map(torch.stack, (inputs, actions, olds, values))
        advantage, last = torch.zeros(steps, lanes), torch.zeros(lanes)
        for step in reversed(range(steps)):
            after = v[step + 1] if step + 1 < steps else v[step]
            last = rewards[step] + 0.9 * after - v[step] + 0.9 * 0.95 * last
            advantage[step] = last
        returns = advantage + v
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
        for _ in range(4):
            for index in torch.randperm(lanes).split(4):
                out, _ = gru(x[:, index])
                both = torch.cat([x[:, index, :features], out], -1)
                new, entropy = logp(actor(both), a[:, index])
                ratio = (new - old[:, index]).exp()
                gain = advantage[:, index]
                loss = -torch.min(ratio * gain, ratio.clamp(0.8, 1.2) * gain).mean()
                loss = loss + 0.25 * (critic(both)[..., 0] - returns[:, index]).pow(2).mean() - 0.003 * entropy.mean()
                adam.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(parameters, 0.5)
                adam.step()

    print("torch episodes: %.2f" % rate(lanes, iteration))


simulator()
training()
