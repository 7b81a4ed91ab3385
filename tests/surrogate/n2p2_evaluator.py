"""A small reader of n2p2's files and the energy they give, by plain sums over pairs of neighbours.

Written from n2p2's documentation (symmetry function types 2, 3 and 9, CT_COS and CT_POLY2, activation p),
independent of the exporter and of the potential.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
from ase.data import atomic_numbers
from ase.neighborlist import neighbor_list


class N2p2:
    """The network of a folder with input.nn, scaling.data and weights.*.data."""

    def __init__(self, folder):
        lines = [line.split() for line in (folder / "input.nn").read_text().splitlines()]
        lines = [words for words in lines if words and words[0] != "#" and not words[0].startswith("#")]
        keys = {words[0]: words[1:] for words in lines}
        assert "center_symmetry_functions" in keys
        assert keys["global_activation_short"] == ["p", "l"]
        self.cutoff_type = int(keys["cutoff_type"][0])
        self.neurons = int(keys["global_nodes_short"][0])
        self.elements = sorted(keys["elements"], key=atomic_numbers.get)
        self.functions = {element: [] for element in self.elements}
        for words in lines:
            if words[0] == "symfunction_short":
                self.functions[words[1]].append(read_function(words[2:]))
        self.mean = {element: [] for element in self.elements}
        for line in (folder / "scaling.data").read_text().splitlines():
            if not line.startswith("#"):
                words = line.split()
                element = self.elements[int(words[0]) - 1]
                assert int(words[1]) == len(self.mean[element]) + 1
                self.mean[element].append(float(words[4]))
        self.weights = {
            element: np.loadtxt(folder / f"weights.{atomic_numbers[element]:03d}.data")
            for element in self.elements
        }
        for element in self.elements:  # n2p2 sorts; what follows relies on the file being in that order
            assert self.functions[element] == sorted(self.functions[element], key=order)

    def energy(self, atoms):
        """Total energy."""
        longest = max(function["rc"] for functions in self.functions.values() for function in functions)
        i, j, d, vectors = neighbor_list("ijdD", atoms, longest)
        total = 0.0
        for atom, element in enumerate(atoms.symbols):
            mine = i == atom
            near = list(zip(atoms.symbols[j[mine]], d[mine], vectors[mine], strict=True))
            inputs = [self.value(function, near) for function in self.functions[element]]
            total += self.network(element, np.array(inputs) - self.mean[element])
        return total

    def value(self, function, near):
        """A symmetry function of one atom."""
        eta, rs, rc = function["eta"], function["rs"], function["rc"]
        if function["type"] == 2:
            return sum(
                math.exp(-eta * (d - rs) ** 2) * self.fade(d / rc)
                for symbol, d, _ in near
                if symbol == function["elements"][0]
            )
        zeta, sign, total = function["zeta"], function["lambda"], 0.0
        for (one, d1, v1), (two, d2, v2) in combinations(near, 2):
            if sorted((one, two)) == sorted(function["elements"]):
                angle = (1 + sign * (v1 @ v2) / (d1 * d2)) ** zeta
                sides = [d1, d2] if function["type"] == 9 else [d1, d2, float(np.linalg.norm(v1 - v2))]
                spread = math.exp(-eta * sum((side - rs) ** 2 for side in sides))
                total += angle * spread * math.prod(self.fade(side / rc) for side in sides)
        return 2.0 ** (1 - zeta) * total

    def fade(self, x):
        """n2p2's cutoff function of this type, inner cutoff zero."""
        if x >= 1:
            return 0.0
        if self.cutoff_type == 1:
            return 0.5 * (math.cos(math.pi * x) + 1)
        assert self.cutoff_type == 6
        return ((15 - 6 * x) * x - 10) * x**3 + 1

    def network(self, element, inputs):
        """One hidden layer of softplus neurons, one linear output."""
        count, neurons, weights = len(inputs), self.neurons, self.weights[element]
        first = weights[: count * neurons].reshape(count, neurons)
        bias, last = np.split(weights[count * neurons : -1], [neurons])
        return float(np.logaddexp(0, inputs @ first + bias) @ last + weights[-1])


def read_function(words):
    """A ``symfunction_short`` line after the central element."""
    if words[0] == "2":
        kind, element, eta, rs, rc = words
        return {"type": 2, "elements": (element,), "eta": float(eta), "rs": float(rs), "rc": float(rc)}
    kind, one, two, eta, sign, zeta, rc, rs = words
    assert kind in ("3", "9")
    numbers = {"eta": float(eta), "lambda": float(sign), "zeta": int(zeta), "rc": float(rc), "rs": float(rs)}
    return {"type": int(kind), "elements": (one, two), **numbers}


def order(function):
    """What n2p2 sorts by."""
    names = ("type", "rc", "eta", "rs", "zeta", "lambda")
    numbers = tuple(function.get(name, 0) for name in names)
    return (*numbers, *(atomic_numbers[element] for element in function["elements"]))
