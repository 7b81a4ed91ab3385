"""Force constants: fc2 and fc3 from forces, symmetrised, with their residuals and the polar part."""

from kappa_flow.force_constants.polar import computed, on_crystal, read_polar
from kappa_flow.force_constants.solve import SHARES, solve, with_variants
from kappa_flow.force_constants.variants import DRAWS, GROUPS

VARIANTS = len(SHARES) + max(1 + GROUPS, DRAWS)
"""Most force constants made otherwise, of one run."""

__all__ = ["VARIANTS", "computed", "on_crystal", "read_polar", "solve", "with_variants"]
