"""What users import, and that importing it is quick."""

import subprocess
import sys

import kappa_flow as kf


def test_every_public_name_is_there() -> None:
    for name in kf.__all__:
        assert getattr(kf, name).__name__.split(".")[-1] == name


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = {"torch", "phono3py", "fireworks", "numpy"}
    code = f"import kappa_flow, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
