"""Weights of an exported shape prior back in its network, so that training can go on from them."""

from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from scripts.training.prior_network import HEAD, PriorNetwork
from scripts.training.weight_files import read_weights, take_branch

# Added to the thickness of each possibility before its bound, so that they differ from the mean and from one
# another at once.
THICKER = (-0.5, 0.5, 0.0)
# Deviation of what is added to their weights.
NOISE = 0.01


def load_onnx(network: PriorNetwork, path: Path) -> None:
    """Take the weights of an ONNX file, whose convolutions hold their norms.

    Heads that it lacks differ a little from its first.
    """
    graph = take_branch(onnx.load(path), measured=False).graph
    values = {
        _strip(name): torch.from_numpy(weights.copy()).float()
        for name, weights in read_weights(graph).items()
    }
    state = network.state_dict()
    modules = dict(network.named_modules())
    for node in graph.node:
        path = _find_module(node.name)
        inputs = [values[name] for name in map(_strip, node.input) if name in values]
        if node.op_type == "MatMul" and isinstance(modules.get(path), nn.Linear):
            state[f"{path}.weight"] = inputs[0].T
        elif node.op_type == "Conv" and isinstance(modules.get(norm := f"{path[:-1]}1"), nn.BatchNorm2d):
            state[f"{path}.weight"], state[f"{norm}.bias"] = inputs
            state[f"{norm}.weight"] = torch.ones_like(inputs[1])
    for name, value in values.items():
        if name in state and state[name].shape == value.shape:
            state[name] = value
        elif name.startswith("head."):
            state[name] = _spread_heads(value, len(state[name]) // HEAD)
    network.load_state_dict(state)


def _strip(name: str) -> str:
    """The name of a weight in the network, from that of an initializer."""
    return name.removeprefix("network.")


def _find_module(node: str) -> str:
    """The module of a node: torch writes `/think/think.0/MatMul` for what `think.0` does."""
    path, before = "", ""
    for scope in node.removeprefix("/network").split("/")[1:-1]:
        if before and scope.startswith(f"{before}."):
            path += scope.removeprefix(before)
        else:
            path = f"{path}.{scope}".lstrip(".")
        before = scope
    return path


def _spread_heads(value: Tensor, count: int) -> Tensor:
    """One head's weights or biases (HEAD, ...) for `count` of them, all but the first changed."""
    if len(value) == count * HEAD:
        return value
    heads = [value]
    for number in range(count - 1):
        head = value + NOISE * torch.randn_like(value)
        if value.ndim == 1:
            # the second four channels are the thickness
            head[4:8] += THICKER[number % len(THICKER)]
        heads.append(head)
    return torch.cat(heads)


@torch.no_grad()
def measure_norms(network: PriorNetwork, batches: list[dict[str, Tensor]]) -> None:
    """Give the norms, which pass on what they get, the statistics of batches; the network stays the same."""
    network.eval()
    sums: dict[nn.Module, list[Tensor]] = {}
    hooks = []
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            hooks.append(
                module.register_forward_hook(
                    lambda m, x, _: sums.setdefault(m, []).append(
                        torch.stack([x[0].mean(dim=(0, 2, 3)), x[0].square().mean(dim=(0, 2, 3))])
                    )
                )
            )
    for batch in batches:
        network(batch["crop"], batch["tangent"])
    for hook in hooks:
        hook.remove()
    for module, parts in sums.items():
        assert isinstance(module, nn.BatchNorm2d)
        mean, square = torch.stack(parts).mean(dim=0)
        variance = (square - mean.square()).clamp(min=1e-6)
        module.running_mean.copy_(mean)
        module.running_var.copy_(variance)
        module.weight.copy_((variance + module.eps).sqrt())
        module.bias.add_(mean)
