"""Lattice thermal conductivity κ(T) with an error bar, from few reference calculations."""
