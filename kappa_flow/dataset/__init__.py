"""Dataset: energies, forces, stresses of displaced structures, given in files or asked of the reference."""

from kappa_flow.dataset.acceptance import accept
from kappa_flow.dataset.files import read, write_extxyz
from kappa_flow.dataset.labelling import label, label_part
from kappa_flow.dataset.runner import write_input_data

__all__ = ["accept", "label", "label_part", "read", "write_extxyz", "write_input_data"]
