"""Writes torch_zip.pth and torch_old.pth: one small state dict as torch.save writes it, today and
before PyTorch 1.6.

    python tests/evaluation/features/make_torch_golden.py

Needs torch; the shipped files are from 2.13.0. The tests need the files only.
"""

import collections
import pathlib

FOLDER = pathlib.Path(__file__).parent


def main():
    import torch

    matrix = torch.arange(6.0).reshape(2, 3) / 4
    tensors = {
        "matrix": matrix,
        "transposed": matrix.T,
        "row": matrix[1],
        "column": matrix[:, 1],
        "half": torch.tensor([0.5, -2.0, 65504.0], dtype=torch.float16),
        "num_batches_tracked": torch.tensor(2**40 + 7),
        "negative": torch.tensor([[-1], [3]]),
        "empty": torch.empty(0, 3),
    }
    state = collections.OrderedDict(tensors)
    # The state dict of a module carries this attribute, and pickle writes it too.
    state._metadata = collections.OrderedDict({"": {"version": 1}})
    torch.save(state, FOLDER / "torch_zip.pth")
    torch.save(state, FOLDER / "torch_old.pth", _use_new_zipfile_serialization=False)


if __name__ == "__main__":
    main()
