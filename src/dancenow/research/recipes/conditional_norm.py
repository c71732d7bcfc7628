"""One generator for many people: each person has their own norm gains and biases, everything else is shared.

Conditional normalization (Dumoulin et al., 2017): the convolutions learn what people share, how a pose becomes an image. With
the mean person's gains the result is a plain `Generator`, an initialization for a new person.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dancenow.generators.crop.network import Generator, GeneratorConfig


class ConditionalGroupNorm(nn.Module):
    """A group norm with gain and bias [P,C] for P people; `who` [N] is the person of each sample in the batch."""

    def __init__(self, norm: nn.GroupNorm, people: int) -> None:
        super().__init__()
        self.groups, self.eps = norm.num_groups, norm.eps
        self.gain = nn.Parameter(norm.weight.detach().clone().repeat(people, 1))
        self.bias = nn.Parameter(norm.bias.detach().clone().repeat(people, 1))
        self.who: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        assert self.who is not None
        normal = functional.group_norm(x, self.groups, eps=self.eps)
        # index_select, because the gradient of indexing with brackets sorts on a GPU.
        gain, bias = (each.index_select(0, self.who)[:, :, None, None].to(normal.dtype) for each in (self.gain, self.bias))
        return torch.addcmul(bias, normal, gain)

    def mean(self) -> nn.GroupNorm:
        """Return the norm of the mean person."""
        norm = nn.GroupNorm(self.groups, self.gain.shape[1], self.eps)
        norm.weight.data.copy_(self.gain.detach().mean(dim=0))
        norm.bias.data.copy_(self.bias.detach().mean(dim=0))
        return norm


class MultiIdentityGenerator(nn.Module):
    """A `Generator` for P people. Call `set_identities` with the people of a batch, then `shared` as a generator."""

    def __init__(self, config: GeneratorConfig, people: int) -> None:
        super().__init__()
        self.shared = Generator(config)
        _replace_norms(self.shared, people)

    def set_identities(self, who: Tensor) -> None:
        """Set the person of each sample in the next batches: int64 [N]."""
        for module in self.shared.modules():
            if isinstance(module, ConditionalGroupNorm):
                module.who = who

    def own_and_shared(self) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
        """Return the parameters of single people, and the shared ones."""
        norms = [module for module in self.modules() if isinstance(module, ConditionalGroupNorm)]
        own = [parameter for norm in norms for parameter in norm.parameters()]
        own_ids = {id(parameter) for parameter in own}
        return own, [parameter for parameter in self.parameters() if id(parameter) not in own_ids]

    def mean_generator(self) -> Generator:
        """Return the generator of the mean person."""
        generator = Generator(self.shared.config)
        norms = {
            name: module.mean() for name, module in self.shared.named_modules() if isinstance(module, ConditionalGroupNorm)
        }
        weights = {name: value for name, value in self.shared.state_dict().items() if name.rpartition(".")[0] not in norms}
        for name, norm in norms.items():
            weights |= {f"{name}.weight": norm.weight.detach(), f"{name}.bias": norm.bias.detach()}
        generator.load_state_dict(weights)
        return generator


def _replace_norms(module: nn.Module, people: int) -> None:
    for name, child in module.named_children():
        if isinstance(child, nn.GroupNorm):
            setattr(module, name, ConditionalGroupNorm(child, people))
        else:
            _replace_norms(child, people)
