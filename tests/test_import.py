"""Imports of the packages from outside the clone."""

import pytest

OUTSIDE = """
import sys

sys.path.append({root!r})
import models

gan = models.build("gan", "MNIST", width=4, depth=1)
print(gan.sample(2).shape)
import evaluate
print(evaluate.__file__)
"""


@pytest.mark.slow
def test_models_from_an_appended_clone_leave_installed_names(python, root, tmp_path):
    (tmp_path / "evaluate.py").write_text("")
    code = OUTSIDE.format(root=str(root))
    done = python("-c", code, cwd=tmp_path, zoo=False, PYTHONPATH=str(tmp_path))
    assert done.code == 0, done
    assert done.out.splitlines() == ["(2, 28, 28, 1)", str(tmp_path / "evaluate.py")]


@pytest.mark.parametrize("name", ["models", "data", "metrics"])
def test_import_with_a_foreign_package_names_its_file(python, root, tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    code = f"import sys; sys.path.append({str(root)!r}); import losses.adversarial"
    done = python("-c", code, cwd=tmp_path, zoo=False, PYTHONPATH=str(tmp_path))
    assert done.code == 1, done
    assert done.err.splitlines()[-1] == (
        f"ImportError: {name} would be imported from {tmp_path / name / '__init__.py'}, not from "
        f"{root}; put {root} before it on sys.path"
    )
