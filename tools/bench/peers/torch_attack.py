"""The attack libraries' side of benchmarks and of the agreement test: one JSON command per line, one JSON line each in answer.

{"command": "load", "weights": FILE, "spec": {...}, "images": FILE, "labels": [...], "threads": n} -> {"version": ..., "accuracy": ...}
{"command": "autoattack", "library": "torchattacks" | "pyautoattack", "norm": p, "epsilon": e, "steps": n or absent} -> {"standing": [...], ...cost}
{"command": "profile", "library": "foolbox" | "torchattacks", "budgets": [...], "step": a, "steps": n, "restarts": n} -> {"standing": [[...], ...], ...cost}
{"command": "iterate", "library": ..., "norm": p, "epsilon": e, "step": a, "steps": n, "out": FILE} -> {"success": [...]}
{"command": "referee", "out": FILE, "otherSide": FILE} -> {"logits": [[...], ...], "kinks": [...]}, with the cross-entropy's gradient at the images over its largest entry, all of PyTorch alone in float64; kinks: of
each image's relu inputs the one nearest to zero, over the largest of its layer; otherSide: the gradient with that one on the other side

Files are raw float32: images and gradients NCHW here (weights: safetensors). cost: "seconds", "processorSeconds", "gradientImageSteps", "forwardImagePasses".
"""

import contextlib
import copy
import importlib.metadata
import json
import struct
import sys
import time
import warnings

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")


class Block(nn.Module):
    relu = staticmethod(F.relu)

    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x):
        shortcut = self.shortcut(x) if hasattr(self, "shortcut") else x
        out = self.conv1(self.relu(self.bn1(x)))
        return self.conv2(self.relu(self.bn2(out))) + shortcut


class PreActResNet(nn.Module):
    """The exported model with its normalisation, counting the images that pass through it."""

    relu = staticmethod(F.relu)

    def __init__(self, spec):
        super().__init__()
        width = spec["width"]
        self.conv1 = nn.Conv2d(spec["channels"], width, 3, 1, 1, bias=False)
        inputs = width
        for stage, blocks in enumerate(spec["blocks"]):
            outputs, rows = width << stage, []
            for block in range(blocks):
                rows.append(Block(inputs, outputs, 2 if stage > 0 and block == 0 else 1))
                inputs = outputs
            setattr(self, f"layer{stage + 1}", nn.Sequential(*rows))
        self.bn = nn.BatchNorm2d(inputs)
        self.linear = nn.Linear(inputs, spec["classes"])
        self.register_buffer("mean", torch.tensor(spec["mean"]).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(spec["std"]).view(1, -1, 1, 1), persistent=False)
        self.gradients = self.forwards = 0

    def forward(self, x):
        if x.requires_grad:
            self.gradients += len(x)
        else:
            self.forwards += len(x)
        x = self.conv1((x - self.mean) / self.std)
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = stage(x)
        return self.linear(self.relu(self.bn(x)).mean((2, 3)))


class Gate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, inputs, open_):
        ctx.save_for_backward(open_)
        return inputs * open_

    @staticmethod
    def backward(ctx, gradient):
        (open_,) = ctx.saved_tensors
        return gradient * open_, None


class KinkedRelu:
    """A network's relus in the order of their calls, which finds each image's input that is nearest to zero; the ones of `turned`, an earlier
    instance, are taken for inputs on the other side of it."""

    def __init__(self, turned=None):
        self.turned, self.calls, self.nearest = turned, 0, None

    def __call__(self, inputs):
        sizes = inputs.detach().flatten(1).abs()
        share, unit = (sizes / sizes.amax(1, keepdim=True)).min(1)
        found = torch.stack([share, torch.full_like(share, self.calls), unit.double()])
        self.nearest = found if self.nearest is None else torch.where(found[0] < self.nearest[0], found, self.nearest)
        open_ = (inputs > 0).to(inputs.dtype)
        if self.turned is not None:
            _, call, unit = self.turned.nearest
            rows = torch.nonzero(call == self.calls).flatten()
            units = unit[rows].long()
            flat = open_.view(len(open_), -1)
            flat[rows, units] = 1 - flat[rows, units]
        self.calls += 1
        return Gate.apply(inputs, open_)


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        kind = {"F32": np.float32, "I64": np.int64}[entry["dtype"]]
        tensors[name] = torch.from_numpy(np.frombuffer(data[begin:end], kind).reshape(entry["shape"]).copy())
    return tensors


class Work:
    def __init__(self, request):
        torch.set_num_threads(request["threads"])
        spec = request["spec"]
        self.model = PreActResNet(spec)
        missing, unexpected = self.model.load_state_dict(read_safetensors(request["weights"]), strict=False)
        missing = [name for name in missing if not name.endswith("num_batches_tracked")]
        if missing or unexpected:
            raise ValueError(f"the weights do not fit the model: {missing} missing, {unexpected} unexpected")
        self.model.eval()
        for parameter in self.model.parameters():
            parameter.requires_grad_(False)
        shape = (-1, spec["channels"], spec["height"], spec["widthPixels"])
        self.images = torch.from_numpy(np.fromfile(request["images"], np.float32).reshape(shape).copy())
        self.labels = torch.tensor(request["labels"])
        self.spec = spec

    def standing(self, images):
        with torch.no_grad():
            return (self.model(images).argmax(1) == self.labels).int().tolist()

    def costed(self, run):
        self.model.gradients = self.model.forwards = 0
        started, spent = time.perf_counter(), time.process_time()
        with contextlib.redirect_stdout(sys.stderr):
            result = run()
        cost = {
            "seconds": time.perf_counter() - started,
            "processorSeconds": time.process_time() - spent,
            "gradientImageSteps": self.model.gradients,
            "forwardImagePasses": self.model.forwards,
        }
        return {"standing": result, **cost}

    def autoattack(self, request):
        norm = {1: "L1", 2: "L2", "inf": "Linf"}[request["norm"]]
        epsilon, steps = request["epsilon"], request.get("steps")

        def run():
            if request["library"] == "torchattacks":
                import torchattacks

                attack = torchattacks.AutoAttack(
                    self.model, norm=norm, eps=epsilon, version="standard", n_classes=self.spec["classes"], seed=0
                )
                if steps is not None:
                    for one in attack._autoattack.attacks[:3]:
                        one.steps = steps
                return self.standing(attack(self.images, self.labels))
            import pyautoattack

            attack = pyautoattack.AutoAttack(self.model, norm=norm, eps=epsilon, version="standard", seed=0)
            if steps is not None:
                attack.apgd.n_iter = attack.apgd_targeted.n_iter = attack.fab.n_iter = steps
            return self.standing(attack.run_standard_evaluation(self.images, self.labels, batch_size=200)[0])

        return self.costed(run)

    def profile(self, request):
        budgets, step = request["budgets"], request["step"]
        steps, restarts = request["steps"], request["restarts"]

        def run():
            if request["library"] == "foolbox":
                import foolbox

                attack = foolbox.attacks.LinfPGD(abs_stepsize=step, steps=steps, random_start=True).repeat(restarts)
                _, _, success = attack(self.foolbox(), self.images, self.labels, epsilons=budgets)
                return [(~row).int().tolist() for row in success]
            import torchattacks

            curve = []
            for budget in budgets:
                runs = [
                    torchattacks.PGD(self.model, eps=budget, alpha=step, steps=steps, random_start=True)
                    for _ in range(restarts)
                ]
                curve.append(self.standing(torchattacks.MultiAttack(runs)(self.images, self.labels)))
            return curve

        return self.costed(run)

    def foolbox(self):
        import foolbox

        return foolbox.PyTorchModel(self.model, bounds=(0, 1))

    def iterate(self, request):
        """The last iterate of PGD from the images themselves."""
        norm, epsilon, step, steps = (request[key] for key in ("norm", "epsilon", "step", "steps"))
        with contextlib.redirect_stdout(sys.stderr):
            if request["library"] == "foolbox":
                import foolbox

                kind = {1: foolbox.attacks.L1PGD, 2: foolbox.attacks.L2PGD, "inf": foolbox.attacks.LinfPGD}[norm]
                attack = kind(abs_stepsize=step, steps=steps, random_start=False)
                result, _, _ = attack(self.foolbox(), self.images, self.labels, epsilons=epsilon)
            elif request["library"] == "torchattacks":
                import torchattacks

                kind = {2: torchattacks.PGDL2, "inf": torchattacks.PGD}[norm]
                result = kind(self.model, eps=epsilon, alpha=step, steps=steps, random_start=False)(
                    self.images, self.labels
                )
            else:
                from art.attacks.evasion import ProjectedGradientDescentPyTorch
                from art.estimators.classification import PyTorchClassifier

                shape = tuple(self.images.shape[1:])
                classifier = PyTorchClassifier(
                    self.model, nn.CrossEntropyLoss(reduction="sum"), shape, self.spec["classes"], clip_values=(0, 1), device_type="cpu"
                )
                attack = ProjectedGradientDescentPyTorch(
                    classifier,
                    norm=np.inf if norm == "inf" else norm,
                    eps=epsilon,
                    eps_step=step,
                    max_iter=steps,
                    num_random_init=0,
                    batch_size=len(self.images),
                    verbose=False,
                )
                result = torch.from_numpy(attack.generate(self.images.numpy(), F.one_hot(self.labels).numpy()))
        result.detach().numpy().astype(np.float32).tofile(request["out"])
        return {"success": [1 - kept for kept in self.standing(result.detach())]}

    def referee(self, request):
        model = copy.deepcopy(self.model).double()

        def pass_through(relu, out):
            for module in model.modules():
                module.relu = relu
            images = self.images.double().requires_grad_(True)
            logits = model(images)
            (gradient,) = torch.autograd.grad(F.cross_entropy(logits, self.labels, reduction="sum"), images)
            # Float32 holds a direction's entries to 1e-7, but a saturated model's gradient itself may lie below its range.
            gradient /= gradient.abs().amax((1, 2, 3), keepdim=True)
            gradient.numpy().astype(np.float32).tofile(out)
            return logits

        relu = KinkedRelu()
        logits = pass_through(relu, request["out"])
        pass_through(KinkedRelu(turned=relu), request["otherSide"])
        return {"logits": logits.tolist(), "kinks": relu.nearest[0].tolist()}


def versions():
    found = [f"torch {torch.__version__}"]
    for name in ("torchattacks", "foolbox", "adversarial-robustness-toolbox", "pyautoattack"):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found.append(f"{name} {importlib.metadata.version(name)}")
    return ", ".join(found)


def main():
    work = None
    for line in sys.stdin:
        request = json.loads(line)
        if request["command"] == "load":
            work = Work(request)
            accuracy = sum(work.standing(work.images)) / len(work.images)
            answer = {"version": versions(), "accuracy": accuracy}
        else:
            answer = getattr(work, request["command"])(request)
        print(json.dumps(answer), flush=True)


main()
