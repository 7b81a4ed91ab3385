"""Descriptors: what an atom's surroundings look like in numbers, and how they change as atoms move."""
