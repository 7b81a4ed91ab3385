"""results: the κ document, its error budget, figures, report and files.

Assembling is light; drawing and writing are imported where they are used.
"""

from kappa_flow.results.assemble import assemble
from kappa_flow.results.learning import farthest, goes_on

__all__ = ["assemble", "farthest", "goes_on"]
