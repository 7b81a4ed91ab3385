"""How many centres go through a kernel at once."""

from __future__ import annotations

from typing import Final

import torch

from kappa_flow.surrogate.descriptors.symmetry import Functions

MOST_CENTRES: Final = 8192
"""Most at once on the CPU: their slopes stay near the processor."""
MOST_ON_CARD: Final = 2**18
"""Most at once on a card: enough to fill any, and every array keeps below 2³¹ numbers."""
FREE_SHARE: Final = 0.7
"""Part of a card's free memory a batch is sized for; where that is too much, it is halved."""


def most_centres(functions: Functions, models: int, device: str, memory: float) -> int:
    """Return how many centres fit into ``memory`` (GiB), on a card into what is free there.

    Counted in numbers of 8 bytes, with a neighbour for every 10 Å³ within the cutoff on cards, where pairs
    are kept.
    """
    n_lm, channels, count = (functions.l_max + 1) ** 2, functions.n_channels, functions.n_functions
    if device == "cpu":
        per_atom = (3 + 2 * models) * count + n_lm * channels
        return max(1, min(int(memory * 2**30 / (8 * per_atom)), MOST_CENTRES))
    pairs = int(0.1 * 4.19 * functions.basis.cutoff**3)
    square = (functions.l_max + 1) * channels**2
    per_atom = (3 + 4 * models) * (count + square) + 3 * models * n_lm * channels
    per_atom += pairs * per_pair(functions, models)
    return max(1, min(int(FREE_SHARE * free_on_card() / (8 * per_atom)), MOST_ON_CARD))


def per_pair(functions: Functions, models: int) -> int:
    """Return the numbers kept for every pair on a card: without Triton also what it consists of."""
    from kappa_flow.surrogate.kernels.choose import takes_triton

    if takes_triton(functions):
        return 24 + 3 * models
    n_lm, channels = (functions.l_max + 1) ** 2, functions.n_channels
    return 10 * n_lm + 6 * channels + models * (2 * n_lm + 2 * channels + 8)


def free_on_card() -> int:
    """Return the bytes a batch can have, with those torch keeps for itself."""
    unused = torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    return int(torch.cuda.mem_get_info()[0]) + unused
