"""Kernels: the pair loops of the symmetry functions, once in plain torch, once compiled for the CPU.

`bins` finds neighbours, `compiled` holds the loops numba compiles, `cpu` and `plain` the two kernels.
"""
