"""PyTorch's side of the step benchmarks: reads one JSON command per line, answers with one JSON line.

{"command": "prepare", "kind": ..., "width": ..., "batch": ..., "threads": ..., "channelsLast": ...} -> {"version": ...}
{"command": "run", "steps": n} -> {"seconds": ..., "peakBytes": ...}
"""

import json
import resource
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        project = stride != 1 or inputs != outputs
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False) if project else None

    def forward(self, x):
        y = self.conv1(F.relu(self.bn1(x)))
        y = self.conv2(F.relu(self.bn2(y)))
        return y + (x if self.shortcut is None else self.shortcut(x))


class PreActResNet18(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, 1, 1, bias=False)
        blocks, inputs = [], width
        for stage in range(4):
            outputs = width << stage
            for index in range(2):
                blocks.append(Block(inputs, outputs, 2 if stage > 0 and index == 0 else 1))
                inputs = outputs
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(inputs)
        self.linear = nn.Linear(inputs, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.blocks(self.stem(x))))
        return self.linear(x.mean((2, 3)))


EPSILON, STEP = 8 / 255, 2 / 255


class Work:
    def __init__(self, kind, width, batch, threads, channels_last):
        torch.manual_seed(0)
        torch.set_num_threads(threads)
        memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.model = PreActResNet18(width).to(memory_format=memory_format)
        self.images = torch.rand(batch, 3, 32, 32).contiguous(memory_format=memory_format)
        self.labels = torch.arange(batch) % 10
        self.iterate = self.images.clone()
        self.optimiser = torch.optim.SGD(self.model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
        self.step = {
            "pgd-step": self.pgd_step,
            "train-step": self.train_step,
            "pgd7-step": self.pgd7_step,
            "grad-penalty-step": self.grad_penalty_step,
        }[kind]

    def freeze(self, frozen):
        self.model.train(not frozen)
        for parameter in self.model.parameters():
            parameter.requires_grad_(not frozen)

    def attack(self):
        x = self.iterate.detach().requires_grad_()
        loss = F.cross_entropy(self.model(x), self.labels, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, x)
        with torch.no_grad():
            moved = x + STEP * gradient.sign()
            moved = torch.min(torch.max(moved, self.images - EPSILON), self.images + EPSILON)
            self.iterate = moved.clamp(0, 1)

    def train(self, images):
        self.optimiser.zero_grad(set_to_none=True)
        F.cross_entropy(self.model(images), self.labels).backward()
        self.optimiser.step()

    def pgd_step(self):
        self.freeze(True)
        self.attack()

    def train_step(self):
        self.freeze(False)
        self.train(self.images)

    def pgd7_step(self):
        self.freeze(True)
        self.iterate = self.images.clone()
        for _ in range(7):
            self.attack()
        self.freeze(False)
        self.train(self.iterate)

    def grad_penalty_step(self):
        self.freeze(False)
        self.optimiser.zero_grad(set_to_none=True)
        x = self.images.detach().requires_grad_()
        losses = F.cross_entropy(self.model(x), self.labels, reduction="none")
        (gradient,) = torch.autograd.grad(losses.sum(), x, create_graph=True)
        (losses.mean() + gradient.square().sum((1, 2, 3)).mean()).backward()
        self.optimiser.step()


def main():
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "prepare":
            work = Work(
                request["kind"], request["width"], request["batch"], request["threads"], request["channelsLast"]
            )
            answer = {"version": torch.__version__}
        else:
            started = time.perf_counter()
            for _ in range(request["steps"]):
                work.step()
            seconds = time.perf_counter() - started
            answer = {"seconds": seconds, "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}
        print(json.dumps(answer), flush=True)


main()
