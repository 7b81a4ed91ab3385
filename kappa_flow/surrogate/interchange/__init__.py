"""Interchange: the potential inside other programs."""
