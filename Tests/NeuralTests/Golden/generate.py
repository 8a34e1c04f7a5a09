"""Golden values from PyTorch in double precision for NeuralTests and LearningTests.

Writes neural.json beside itself and learning.json into LearningTests/Golden. Every case holds its inputs, the loss, the
gradient of the flat parameter vector in aware's layout (weights input-major), and ten Adam steps.

    pip install torch numpy && python generate.py
"""
import json
import pathlib

import torch
from torch.nn import functional as F

torch.manual_seed(20260121)
torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).parent


def random(*shape, scale=1.0):
    # Rounded to what a 32-bit float holds, so that both sides start from the same numbers.
    return (torch.randn(*shape) * scale).float().double()


def flat(tensor):
    return [float(value) for value in torch.as_tensor(tensor).detach().double().reshape(-1)]


def case(parameters, loss, rate=1e-2, **inputs):
    """`loss` maps the flat parameters to (loss, extra tensors whose gradients are wanted)."""
    start = parameters.clone().requires_grad_()
    value = loss(start)
    value.backward()
    result = {name: flat(values) for name, values in inputs.items()}
    result |= {"parameters": flat(parameters), "loss": flat(value), "gradient": flat(start.grad)}
    weights = parameters.clone().requires_grad_()
    optimizer = torch.optim.Adam([weights], lr=rate)
    losses = []
    for _ in range(10):
        value = loss(weights)
        losses += flat(value)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    return result | {"rate": [rate], "losses": losses, "trained": flat(weights)}


class Cursor:
    """Hands out consecutive slices of the flat parameters."""

    def __init__(self, parameters):
        self.parameters, self.offset = parameters, 0

    def take(self, *shape):
        count = torch.Size(shape).numel()
        part = self.parameters[self.offset:self.offset + count].reshape(shape)
        self.offset += count
        return part

    def perceptron(self, x, sizes, activation):
        for index in range(1, len(sizes)):
            x = x @ self.take(sizes[index - 1], sizes[index]) + self.take(sizes[index])
            if index < len(sizes) - 1:
                x = activation(x)
        return x

    def gru(self, x, h0, size, reverse=False):
        """torch.nn.GRU over x (steps, lanes, inputs) with weights from the cursor."""
        inputs = x.shape[2]
        wi, bi = self.take(inputs, 3 * size), self.take(3 * size)
        wh, bh = self.take(size, 3 * size), self.take(3 * size)
        unit = torch.nn.GRU(inputs, size)
        weights = {"weight_ih_l0": wi.T, "weight_hh_l0": wh.T, "bias_ih_l0": bi, "bias_hh_l0": bh}
        sequence = x.flip(0) if reverse else x
        return torch.func.functional_call(unit, weights, (sequence, h0.unsqueeze(0)))[0]


def perceptron_size(sizes):
    return sum(a * b + b for a, b in zip(sizes, sizes[1:]))


def neural():
    cases = {}
    for name, activation in (("tanh", torch.tanh), ("relu", torch.relu)):
        sizes, x, target = [3, 8, 8, 2], random(5, 3), random(5, 2)
        def loss(p, activation=activation):
            return ((Cursor(p).perceptron(x, sizes, activation) - target) ** 2).mean()
        cases["perceptron." + name] = case(random(perceptron_size(sizes), scale=0.5), loss, x=x, target=target)
    for name, reverse in (("forward", False), ("reversed", True)):
        inputs, size, steps, lanes = 3, 4, 5, 2
        x, h0, weight = random(steps, lanes, inputs), random(lanes, size), random(steps, lanes, size)
        x.requires_grad_(); h0.requires_grad_()
        def loss(p, reverse=reverse):
            return (Cursor(p).gru(x, h0, size, reverse) * weight).sum()
        parameters = random(3 * size * (inputs + size + 2), scale=0.5)
        # The first of the backward passes is the one whose gradients of x and h0 are kept.
        value = loss(parameters)
        dx, dh = torch.autograd.grad(value, (x, h0))
        output = Cursor(parameters).gru(x, h0, size, reverse)
        x, h0 = x.detach(), h0.detach()
        cases["gru." + name] = case(
            parameters, loss, x=x, initial=h0, weight=weight, dx=dx, dInitial=dh, output=output)
    mean, logDeviation, actions, weight = random(4, 3), random(3, scale=0.3), random(4, 3), random(4)
    def gaussian(p):
        normal = torch.distributions.Normal(p[:12].reshape(4, 3), p[12:].exp())
        return (normal.log_prob(actions).sum(1) * weight).sum() + 0.1 * normal.entropy().sum()
    cases["gaussian"] = case(torch.cat([mean.reshape(-1), logDeviation]), gaussian, actions=actions, weight=weight)
    return cases


OBSERVATION, EMBEDDING, HIDDEN, HEADS = 3, 2, 8, [3, 2]
WIDTH = sum(HEADS)


def choose(logits, mask, actions):
    """Log-probability of the chosen actions and entropy, both summed over masked heads."""
    log_probability, entropy, offset = 0, 0, 0
    for head, count in enumerate(HEADS):
        part = logits[:, offset:offset + count].masked_fill(mask[:, offset:offset + count] == 0, -1e9)
        distribution = torch.distributions.Categorical(logits=part)
        log_probability = log_probability + distribution.log_prob(actions[:, head])
        entropy = entropy + distribution.entropy()
        offset += count
    return log_probability, entropy


def actor_critic(p, observations, embedding, recurrent=None):
    """Logits and values of (rows) steps. `recurrent`: list of (rows, previous one-hots and reward, initial state)."""
    cursor = Cursor(p)
    inputs = [observations, embedding]
    if recurrent:
        size = recurrent[0][2].shape[0]
        start, hidden = cursor.offset, []
        for rows, past, initial in recurrent:
            cursor.offset = start
            sequence = torch.cat([observations[rows], past], 1).unsqueeze(1)
            hidden.append(cursor.gru(sequence, initial.unsqueeze(0), size).squeeze(1))
        inputs.append(torch.cat(hidden))
    x = torch.cat(inputs, 1)
    logits = cursor.perceptron(x, [x.shape[1], HIDDEN, WIDTH], torch.tanh)
    return logits, cursor.perceptron(x, [x.shape[1], HIDDEN, 1], torch.tanh).squeeze(1)


def network_size(recurrent):
    inputs = OBSERVATION + EMBEDDING + recurrent
    memory = 3 * recurrent * (OBSERVATION + WIDTH + 1 + recurrent + 2) if recurrent else 0
    return memory + perceptron_size([inputs, HIDDEN, WIDTH]) + perceptron_size([inputs, HIDDEN, 1])


def steps(lengths):
    """Random steps of episodes of these lengths, legal and with their masks."""
    rows = sum(lengths)
    mask = (torch.rand(rows, WIDTH) > 0.3).long()
    actions = torch.stack([torch.randint(0, count, (rows,)) for count in HEADS], 1)
    offset = 0
    for head, count in enumerate(HEADS):
        mask[torch.arange(rows), offset + actions[:, head]] = 1
        offset += count
    embedding = torch.cat([random(1, EMBEDDING).expand(length, -1) for length in lengths])
    return {"lengths": torch.tensor(lengths), "observations": random(rows, OBSERVATION), "embedding": embedding,
            "mask": mask, "actions": actions, "rewards": random(rows), "oldLog": -random(rows).abs() - 0.5,
            "oldValues": random(rows), "advantages": random(rows), "returns": random(rows),
            "weights": random(rows).abs()}


def learning():
    cases = {}
    for name, size, lengths in (("feedForward", 0, [6, 4]), ("recurrent", 4, [5, 3])):
        data = steps(lengths)
        recurrent = None
        if size:
            recurrent, start = [], 0
            initial = random(len(lengths), size)
            for episode, length in enumerate(lengths):
                rows = torch.arange(start, start + length)
                past = torch.zeros(length, WIDTH + 1)
                for step in range(1, length):
                    offset = 0
                    for head, count in enumerate(HEADS):
                        past[step, offset + data["actions"][rows[step - 1], head]] = 1
                        offset += count
                    past[step, WIDTH] = data["rewards"][rows[step - 1]]
                recurrent.append((rows, past, initial[episode]))
                start += length
            data["initial"] = initial

        def forward(p, data=data, recurrent=recurrent):
            logits, values = actor_critic(p, data["observations"], data["embedding"], recurrent)
            return *choose(logits, data["mask"], data["actions"]), values

        def ppo(p, clip_value=None, data=data, forward=forward):
            log_probability, entropy, values = forward(p)
            ratio = (log_probability - data["oldLog"]).exp()
            surrogate = torch.min(ratio * data["advantages"], ratio.clamp(0.8, 1.2) * data["advantages"]).mean()
            error = (values - data["returns"]) ** 2
            if clip_value:
                clipped = data["oldValues"] + (values - data["oldValues"]).clamp(-clip_value, clip_value)
                error = torch.max(error, (clipped - data["returns"]) ** 2)
            return -surrogate + 0.5 * 0.5 * error.mean() - 0.01 * entropy.mean()

        def weighted(weights, p, entropy_weight, data=data, forward=forward):
            log_probability, entropy, values = forward(p)
            return (-(log_probability * weights).mean() + 0.25 * ((values - data["returns"]) ** 2).mean()
                    - entropy_weight * entropy.mean())

        parameters = random(network_size(size), scale=0.4)
        cases["ppo." + name] = case(parameters, ppo, rate=1e-3, **data)
        cases["ppoValueClip." + name] = case(parameters, lambda p: ppo(p, 0.2), rate=1e-3, **data)
        cases["reinforce." + name] = case(
            parameters, lambda p: weighted(data["advantages"], p, 0.01), rate=1e-3, **data)
        cases["cloning." + name] = case(
            parameters, lambda p: weighted(data["weights"], p, 0.001), rate=1e-3, **data)

    # DQN: Q = V + A - mean A, Huber at 1, mean over rows and heads.
    rows, x = 6, random(6, OBSERVATION + EMBEDDING)
    actions = torch.stack([torch.randint(0, count, (rows,)) for count in HEADS], 1)
    targets = random(rows, scale=2)
    def dqn(p):
        advantages, values = actor_critic(p, x[:, :OBSERVATION], x[:, OBSERVATION:])
        total, offset = 0, 0
        for head, count in enumerate(HEADS):
            part = advantages[:, offset:offset + count]
            q = values + part.gather(1, actions[:, head:head + 1]).squeeze(1) - part.mean(1)
            total = total + F.smooth_l1_loss(q, targets) / len(HEADS)
            offset += count
        return total
    cases["dqn"] = case(random(network_size(0), scale=0.4), dqn, rate=1e-3, x=x, actions=actions, targets=targets)

    # DDPG, choices and numbers. The case's parameters are the actor's or the critic's; the other's are an input.
    for name, discrete in (("discrete", True), ("continuous", False)):
        inputs = OBSERVATION + EMBEDDING
        actor_sizes, critic_sizes = [inputs, HIDDEN, WIDTH], [inputs + WIDTH, HIDDEN, 1]
        actor, critic = random(perceptron_size(actor_sizes), scale=0.4), random(perceptron_size(critic_sizes), scale=0.4)
        one_hots = torch.cat([F.one_hot(actions[:, head], count) for head, count in enumerate(HEADS)], 1).double()
        executed = one_hots if discrete else random(rows, WIDTH).clamp(-1, 1)

        def value(p, action):
            return Cursor(p).perceptron(torch.cat([x, action], 1), critic_sizes, torch.tanh).squeeze(1)

        def actor_loss(p):
            output = Cursor(p).perceptron(x, actor_sizes, torch.tanh)
            if not discrete:
                return -value(critic, output.tanh()).mean()
            parts = [part.softmax(1) for part in output.split(HEADS, 1)]
            entropy = sum(-(part * part.log()).sum(1) for part in parts)
            return -value(critic, torch.cat(parts, 1)).mean() - 0.01 * entropy.mean()

        inputs = {"x": x, "executed": executed, "targets": targets, "actor": actor, "critic": critic}
        cases["ddpgCritic." + name] = case(
            critic, lambda p: 0.5 * ((value(p, executed) - targets) ** 2).mean(), rate=1e-3, **inputs)
        cases["ddpgActor." + name] = case(actor, actor_loss, rate=1e-3, **inputs)
    return cases


for path, cases in ((HERE / "neural.json", neural()),
                    (HERE.parent.parent / "LearningTests" / "Golden" / "learning.json", learning())):
    rounded = {name: {key: [float(f"{value:.9g}") for value in values] for key, values in content.items()}
               for name, content in cases.items()}
    path.write_text(json.dumps(rounded, separators=(",", ":")) + "\n")
    print(path, path.stat().st_size, "bytes")
