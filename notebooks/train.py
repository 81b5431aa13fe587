"""A real training run in plain Python: a small neural network learns to separate the two arms of a spiral.

No packages needed. It prints one line per epoch to stdout and a progress bar, redrawn in place, to stderr - as training
scripts do. About a minute with the defaults; `--epochs 5` for a short one, `--lr 5` to see it diverge and fail.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time

HIDDEN = 24
BAR = 30


def spiral(points: int, noise: float = 0.15) -> list[tuple[float, float, float]]:
    """Make (x, y, label) of two interleaved spiral arms, shuffled; label is 0.0 or 1.0."""
    data = []
    for i in range(points):
        arm = i % 2
        t = 0.3 + 3.2 * i / points
        angle = t * 1.8 + math.pi * arm
        x, y = (t * f(angle) / 3.5 + random.gauss(0, noise) / 3.5 for f in (math.cos, math.sin))
        data.append((x, y, float(arm)))
    random.shuffle(data)
    return data


class Network:
    """2 inputs, two hidden layers of tanh units, 1 sigmoid output; learns by gradient descent, step by step."""

    def __init__(self) -> None:
        self.layers = [self._layer(2, HIDDEN), self._layer(HIDDEN, HIDDEN), self._layer(HIDDEN, 1)]

    @staticmethod
    def _layer(inputs: int, outputs: int) -> list[list[float]]:
        spread = 1 / math.sqrt(inputs)
        return [[random.gauss(0, spread) for _ in range(inputs)] + [0.0] for _ in range(outputs)]

    def forward(self, x: float, y: float) -> list[list[float]]:
        """Return the activations of all layers; the last one holds the probability of label 1."""
        values = [[x, y]]
        for depth, layer in enumerate(self.layers):
            sums = [sum(w * v for w, v in zip(row, values[-1], strict=False)) + row[-1] for row in layer]
            last = depth == len(self.layers) - 1
            values.append([1 / (1 + math.exp(-max(-30, min(30, s)))) if last else math.tanh(s) for s in sums])
        return values

    def learn(self, x: float, y: float, label: float, rate: float) -> float:
        """Take one step downhill; return the cross-entropy before it."""
        values = self.forward(x, y)
        guess = values[-1][0]
        slopes = [guess - label]  # of the loss, by the sums of the layer above
        for depth in reversed(range(len(self.layers))):
            layer, below = self.layers[depth], values[depth]
            down = [sum(s * row[i] for s, row in zip(slopes, layer, strict=True)) for i in range(len(below))]
            for slope, row in zip(slopes, layer, strict=True):
                for i, value in enumerate(below):
                    row[i] -= rate * slope * value
                row[-1] -= rate * slope
            slopes = [d * (1 - v * v) for d, v in zip(down, below, strict=True)]
        return -math.log(max(1e-12, guess if label else 1 - guess))


def accuracy(network: Network, data: list[tuple[float, float, float]]) -> float:
    """Return the share of correctly classified examples."""
    return sum((network.forward(x, y)[-1][0] > 0.5) == bool(label) for x, y, label in data) / len(data)


def train_epoch(network: Network, data: list[tuple[float, float, float]], rate: float, title: str) -> float:
    """Go through the data once, drawing a progress bar; return the mean loss."""
    started, total = time.monotonic(), 0.0
    for done, (x, y, label) in enumerate(data, start=1):
        total += network.learn(x, y, label, rate)
        if done % 100 == 0 or done == len(data):
            bar = "█" * (BAR * done // len(data))
            speed = done / (time.monotonic() - started)
            print(
                f"\r{title} |{bar:<{BAR}}| {done}/{len(data)} [{speed:.0f} it/s] ", end="", file=sys.stderr, flush=True
            )
    print(file=sys.stderr)
    return total / len(data)


def main() -> int:
    """Train and print the progress; exit code 1 if the network has not learned anything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--points", type=int, default=8000)
    parser.add_argument("--lr", type=float, default=0.05)
    args = parser.parse_args()

    random.seed(7)
    data, held_out = spiral(args.points), spiral(400)
    network, best = Network(), 0.0
    print(f"INFO training on {len(data)} points, {args.epochs} epochs, learning rate {args.lr}")
    for epoch in range(1, args.epochs + 1):
        loss = train_epoch(network, data, args.lr, f"epoch {epoch:>2}")
        acc = accuracy(network, held_out)
        print(f"epoch {epoch}/{args.epochs} loss={loss:.4f} acc={acc:.3f}")
        if acc < best - 0.05:
            print(f"WARNING accuracy fell from {best:.3f} to {acc:.3f}")
        best = max(best, acc)
    if best < 0.8:
        print(f"ERROR best accuracy is {best:.3f}: nothing was learned")
        return 1
    print(f"INFO done: best accuracy {best:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
