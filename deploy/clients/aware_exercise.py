#!/usr/bin/env python3
"""The environment of AWARE's published code and of the university exercise, played by a server over REST.

    aware_exercise.py URL [--steps N] [--seed N] [--profile JSON]        the server is `aware serve --clock observed`

n containers of 1.5 requests/s behind a load of 1 to 8 requests/s that changes every 100 steps; eight cores; an M/M/1 queue in front of
each. The exercise's reward, 0.3 x utilisation + 0.7 x preservation of the objective and -1 for turning back at once, goes to the
server with the next observation. Beside it the server's rules play the same loads as an application of their own. Prints the mean
reward of a step for each tenth. Status 1 unless the last tenth is above the rules' and 1.2 times the first.
"""
import argparse
import json
import random
import sys
import time

from aware_client import Aware


# Thresholds speak in rewards, so the reward is what is learned for; it explores from the first step, inside the guards.
LEARNING = {"algorithm": "dqn", "bootstrap": False, "meta": False, "thresholds": {"deviation": 0.1}, "fallback": {"calibrate": False}}


class Table:
    """The published table in closed form: reset(load) and step(containers) -> observation, reward."""

    objective, most = 9.0, 10

    def reset(self, load):
        self.load, self.containers, self.direction = load, 3, 0
        return self.observe()

    def change(self, load): self.load = load

    def step(self, containers):
        change = max(-1, min(1, containers - self.containers))
        self.containers = max(0, min(self.most, self.containers + change))
        turned, self.direction = change * self.direction < 0, change
        observation = self.observe()
        reward = 0.3 * min(1.0, observation["cpuUtilization"]) + 0.7 * min(1.0, self.objective / observation["latencySeconds"])
        return observation, -1.0 if turned or self.containers == 0 else reward

    def observe(self):
        each, served = self.load / max(1, self.containers), 1.5 * min(1, 8 / max(1, self.containers))
        latency = 1 / (served - each) if each < served else 8.1 if each == served else 60.0
        return {"replicas": self.containers, "cpuLimit": "1", "memoryLimit": "512Mi", "cpuUtilization": min(1.0, each / 1.5),
                "latencySeconds": latency, "requestRate": self.load}


class Player:
    """An application of the server in an environment of its own."""

    def __init__(self, aware, name, profile):
        self.aware, self.name, self.table, self.reward, self.rewards = aware, name, Table(), None, []
        aware.send("PUT", f"/v1/applications/{name}", profile)
        self.observation = self.table.reset(1)

    def step(self, load, second):
        told = self.observation | {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(second))}
        if self.reward is not None: told["reward"] = self.reward
        decision = self.aware.decide(self.name, **told)
        self.table.change(load)
        self.observation, self.reward = self.table.step(decision["desired"]["replicas"])
        self.rewards.append(self.reward)

    def settle(self):
        """Waits until the server has learned from the last episode."""
        for _ in range(3000):
            status = self.aware.send("GET", f"/v1/applications/{self.name}")["status"]
            if status["episodesTrained"] >= status["episodes"]: break
            time.sleep(0.02)
        return status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--profile", type=json.loads, default=LEARNING, help="members of the learner's profile, as JSON")
    options = parser.parse_args()
    aware, draw = Aware(options.url), random.Random(options.seed)
    common = {"slo": {"latencySeconds": Table.objective}, "replicas": {"min": 1, "max": Table.most}, "cpu": {"min": "1", "max": "1"},
              "memory": {"min": "512Mi", "max": "512Mi"}, "episodeSteps": 100}
    learner = Player(aware, "exercise", common | options.profile)
    rules = Player(aware, "exercise-rules", common | {"algorithm": "rules", "fallback": {"calibrate": False}})
    start, load, status = 1_780_000_000, 1, {}
    for step in range(options.steps):
        if step % 100 == 0: load = draw.randint(1, 8)
        for player in (learner, rules): player.step(load, start + 60 * step)
        if step % 100 == 99: status = learner.settle()
        if step % (options.steps // 10) == options.steps // 10 - 1:
            of = lambda player: sum(player.rewards[-(options.steps // 10):]) / (options.steps // 10)
            print(f"{step + 1:6} steps: {of(learner):.3f} a step, the rules {of(rules):.3f}; {status.get('stage')}, version {status.get('modelVersion')}", flush=True)
    tenth = options.steps // 10
    first, last, fixed = (sum(r) / tenth for r in (learner.rewards[:tenth], learner.rewards[-tenth:], rules.rewards[-tenth:]))
    print(f"last tenth {last:.3f}: {last / first:.2f} times the first's {first:.3f}; the rules' {fixed:.3f}")
    return 0 if last > fixed and last >= 1.2 * first else 1


if __name__ == "__main__": sys.exit(main())
