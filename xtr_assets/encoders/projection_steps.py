"""The projection of a late-interaction model: linear steps from hidden states to token embeddings. Needs torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xtr_assets.core.errors import ProviderError
from xtr_assets.encoders.late_layout import SHARDED_WEIGHTS, DenseStep, json_file

if TYPE_CHECKING:
    from torch import Tensor

ACTIVATIONS = ("Identity", "Tanh", "ReLU", "GELU", "SiLU", "Sigmoid")


@dataclass(frozen=True, slots=True)
class Step:
    """weight float32 [out, in], bias [out] or None, residual [out, in] or None for the input itself; see DenseStep."""

    weight: "Tensor"
    bias: "Tensor | None"
    activation: "Callable[[Tensor], Tensor]"
    adds_input: bool
    residual: "Tensor | None"

    def __call__(self, states: "Tensor") -> "Tensor":
        from torch.nn.functional import linear

        mapped = self.activation(linear(states, self.weight, self.bias))
        if not self.adds_input:
            return mapped
        return mapped + (states if self.residual is None else linear(states, self.residual))


def load_steps(steps: Sequence[DenseStep], hidden: int, device: str) -> tuple[Step, ...]:
    """The steps in order, for hidden states of so many dimensions. Raises ProviderError where they do not fit."""
    loaded, size = [], hidden
    for step in steps:
        one = _load(step, device)
        out, into = one.weight.shape
        if into != size:
            raise ProviderError(
                f"{step.name} of {step.weights.parent} maps {into} dimensions, what comes before it has {size}; the "
                "folder mixes two models, get it again"
            )
        loaded.append(one)
        size = out
    return tuple(loaded)


def _load(step: DenseStep, device: str) -> Step:
    import torch

    found = tensors_of(step)
    weight, bias, residual = (found.get(name) for name in ("linear.weight", "linear.bias", "residual.weight"))
    if weight is None or weight.ndim != 2:
        raise ProviderError(f"{step.weights} has no projection: no matrix `linear.weight`; get the whole model")
    out, into = weight.shape
    if step.shape is not None and step.shape != (into, out):
        raise ProviderError(
            f"{step.name} must map {step.shape[0]} dimensions to {step.shape[1]}, `linear.weight` maps {into} to "
            f"{out}; the folder mixes two models, get it again"
        )
    if bias is not None and bias.shape != (out,):
        raise ProviderError(f"{step.weights}: `linear.bias` has {tuple(bias.shape)} numbers, wanted are {out}")
    if step.residual and into != out and (residual is None or residual.shape != (out, into)):
        raise ProviderError(f"{step.weights} must hold `residual.weight` of {out} x {into}; get the model again")
    for name, tensor in found.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ProviderError(f"{step.weights}: `{name}` holds NaN or infinity; get the model again")
    activation: Callable[[Tensor], Tensor] = getattr(torch.nn, step.activation)()
    kept = residual if step.residual and into != out else None
    return Step(
        weight.to(device),
        None if bias is None else bias.to(device),
        activation,
        step.residual,
        None if kept is None else kept.to(device),
    )


def tensors_of(step: DenseStep) -> "dict[str, Tensor]":
    """The tensors of a step, float32 on the CPU. Pickles go through torch's restricted loader. Raises ProviderError."""
    import pickle

    import torch
    from safetensors import SafetensorError, safe_open

    names = ("linear.weight", "linear.bias", "residual.weight")
    file = step.weights
    if file.name == SHARDED_WEIGHTS:
        shard = json_file(file).get("weight_map", {}).get("linear.weight")
        if shard is None:
            return {}
        file = file.parent / shard
    try:
        if file.suffix == ".safetensors":
            with safe_open(file, "pt") as opened:
                kept = {name: opened.get_tensor(name) for name in names if name in opened.keys()}  # noqa: SIM118
        else:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
            kept = {name: loaded[name] for name in names if name in loaded}
        return {name: tensor.to(torch.float32) for name, tensor in kept.items()}
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError, RuntimeError, EOFError) as error:
        raise ProviderError(f"{file} cannot be read ({error!s:.200}); get the model again") from error
    except pickle.UnpicklingError as error:
        raise ProviderError(f"{file} holds more than tensors and is not read ({error!s:.120}); take another") from error
