"""Kernels: neighbours, and the loops over pairs, once in plain torch, once compiled for the CPU."""
