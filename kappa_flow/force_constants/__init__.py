"""Force constants: fc2 and fc3 from forces, symmetrised, with their residuals and the polar part."""

from kappa_flow.force_constants.polar import computed, on_crystal, read_polar
from kappa_flow.force_constants.solve import solve

__all__ = ["computed", "on_crystal", "read_polar", "solve"]
