"""State dicts: two files of torch.save, and valid and malicious ones written by hand."""

import io
import pathlib
import pickle
import struct
import zipfile

import numpy as np
import pytest

from errors import UserError
from evaluation.features.torch_file import read_state

HERE = pathlib.Path(__file__).parent
GOLDENS = [HERE / "torch_zip.pth", HERE / "torch_old.pth"]
by_format = pytest.mark.parametrize("form", ["zip", "old"])
by_golden = pytest.mark.parametrize("golden", GOLDENS, ids=lambda path: path.stem)

MATRIX = np.array([[0, 0.25, 0.5], [0.75, 1, 1.25]], np.float32)
SIX = np.arange(6, dtype="<f4").tobytes()


def refusal(path) -> str:
    """The message of the UserError, one line that names the file."""
    with pytest.raises(UserError) as caught:
        read_state(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def numbers(values) -> bytes:
    """A pickled tuple of integers."""
    return b"(" + b"".join(b"I%d\n" % value for value in values) + b"t"


def tensor(size=(6,), stride=(1,), offset=0, kind=b"ctorch\nFloatStorage\n", count=6, views=b""):
    """A pickled tensor in the storage "0"."""
    storage = b"(Vstorage\n" + kind + b"V0\nVcpu\nI%d\n" % count + views + b"tQ"
    arguments = storage + b"I%d\n" % offset + numbers(size) + numbers(stride) + b"I00\n}"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + arguments + b"tR"


def state_pickle(value: bytes) -> bytes:
    """A pickled dict {"x": value}."""
    return b"}Vx\n" + value + b"s."


@pytest.fixture
def write(tmp_path):
    """write(form, pickled, content) -> a file in the zip or the old format, with the content of
    storage "0" if there is one.
    """

    def write(form, pickled, content=SIX, compression=zipfile.ZIP_STORED, order=b"little"):
        path = tmp_path / f"{form}.pth"
        if form == "zip":
            with zipfile.ZipFile(path, "w", compression) as archive:
                archive.writestr("any name/data.pkl", pickled)
                archive.writestr("any name/byteorder", order)
                archive.writestr("any name/data/0", content)
        else:
            system = {"protocol_version": 1001, "little_endian": order == b"little"}
            head = [pickle.dumps(x, 2) for x in (0x1950A86A20F9469CFC6C, 1001, system)]
            keys, storage = [], b""
            if b"Vstorage" in pickled:
                keys, storage = ["0"], struct.pack("<q", len(content) // 4) + content
            path.write_bytes(b"".join([*head, pickled, pickle.dumps(keys, 2), storage]))
        return path

    return write


@by_golden
def test_read_state_of_a_torch_file_returns_its_arrays(golden):
    state = read_state(golden)
    expected = {
        "matrix": MATRIX,
        "transposed": MATRIX.T,
        "row": MATRIX[1],
        "column": MATRIX[:, 1],
        "half": np.array([0.5, -2, 65504], np.float16),
        "num_batches_tracked": np.array(2**40 + 7),
        "negative": np.array([[-1], [3]]),
        "empty": np.zeros((0, 3), np.float32),
    }
    assert list(state) == list(expected)
    for name, array in expected.items():
        assert state[name].dtype == array.dtype
        np.testing.assert_array_equal(state[name], array, strict=True)


@by_golden
def test_read_state_of_shared_storages_returns_read_only_views(golden):
    state = read_state(golden)
    for name in ("transposed", "row", "column"):
        assert np.shares_memory(state["matrix"], state[name])
    assert not np.shares_memory(state["matrix"], state["half"])
    assert not state["matrix"].flags.writeable


@by_format
def test_read_state_of_a_valid_hand_written_file_returns_its_arrays(write, form):
    state = read_state(write(form, state_pickle(tensor((2, 2), (1, 3), offset=1))))
    np.testing.assert_array_equal(state["x"], np.array([[1, 4], [2, 5]], np.float32), strict=True)
    state = read_state(write(form, state_pickle(tensor((), ()))))
    np.testing.assert_array_equal(state["x"], np.float32(0), strict=True)
    assert read_state(write(form, b"}.")) == {}


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("Double", np.array([0.1, -1e300])),
        ("Float", np.array([0.1, -3], np.float32)),
        ("Half", np.array([0.1, -3], np.float16)),
        ("Long", np.array([2**62, -1])),
        ("Int", np.array([2**30, -1], np.int32)),
        ("Short", np.array([2**14, -1], np.int16)),
        ("Char", np.array([100, -1], np.int8)),
        ("Byte", np.array([0, 255], np.uint8)),
        ("Bool", np.array([True, False])),
    ],
)
def test_read_state_supports_each_storage_type(write, kind, values):
    pickled = tensor((2,), (1,), kind=f"ctorch\n{kind}Storage\n".encode(), count=2)
    state = read_state(write("zip", state_pickle(pickled), values.tobytes()))
    np.testing.assert_array_equal(state["x"], values, strict=True)


class Evaluated:
    """Pickled, it is a call of builtins.eval."""

    def __init__(self, expression: str):
        self.expression = expression

    def __reduce__(self):
        return eval, (self.expression,)


def commands(marker: pathlib.Path) -> dict[str, bytes]:
    """Pickles that make the file `marker` when Python's own pickle reads them."""
    touch = f"open({str(marker)!r}, 'w').close()"
    shell = f"(S'touch {marker}'\n".encode()
    return {
        "os.system": b"cos\nsystem\n" + shell + b"tR.",
        "by INST": shell + b"ios\nsystem\n.",
        "by OBJ": b"(cos\nsystem\n" + shell[1:] + b"o.",
        "builtins.eval": pickle.dumps(Evaluated(touch), 0),
        "by STACK_GLOBAL": pickle.dumps(Evaluated(touch), 4),
        "in a dict": pickle.dumps({"x": Evaluated(touch)}, 2),
    }


@by_format
@pytest.mark.parametrize("command", commands(pathlib.Path("marker")))
def test_read_state_of_a_pickled_command_raises_and_runs_nothing(write, tmp_path, form, command):
    marker = tmp_path / "marker"
    pickled = commands(marker)[command]
    pickle.loads(pickled)
    assert marker.exists(), "the pickle would not have run a command anyway"
    marker.unlink()

    assert " is not allowed" in refusal(write(form, pickled))
    bare = tmp_path / "bare.pth"
    bare.write_bytes(pickled)
    assert " is not allowed" in refusal(bare)
    assert not marker.exists()


@by_format
@pytest.mark.parametrize(
    "name",
    [
        b"builtins\ngetattr",
        b"collections\nOrderedDict.fromkeys",
        b"collections\nCounter",
        b"torch._utils\n_rebuild_parameter",
        b"torch\nload",
        b"torch\nBFloat16Storage",
        b"numpy\ndtype",
    ],
)
def test_read_state_of_a_global_outside_state_dicts_raises(write, form, name):
    message = refusal(write(form, state_pickle(b"c" + name + b"\n")))
    assert f"{name.decode()} is not allowed".replace("\n", ".") in message


@by_format
@pytest.mark.parametrize(
    "name",
    [b"collections\nOrderedDict", b"torch._utils\n_rebuild_tensor_v2", b"torch\nLongStorage"],
)
def test_read_state_after_a_pickle_that_sets_attributes_is_unchanged(write, form, name):
    # BUILD sets attributes of whatever is on the stack, here of the class or the function.
    changes = b"(N(Vkeys\nI1\nVitems\nI1\nV__defaults__\n(I1\ntdtb"
    path = write(form, b"c" + name + b"\n" + changes + b"0" + state_pickle(tensor()))
    if name.startswith(b"torch._utils"):  # A function made for this one pickle.
        assert read_state(path).keys() == {"x"}
    else:
        assert "attribute" in refusal(path)
    assert read_state(GOLDENS[0]).keys() == read_state(GOLDENS[1]).keys()


@by_format
@pytest.mark.parametrize(
    "geometry",
    [
        {"size": (7,), "stride": (1,)},
        {"size": (6,), "stride": (1,), "offset": 1},
        {"size": (2, 3), "stride": (4, 1)},
        {"size": (1,), "stride": (1,), "offset": 6},
        {"size": (1,), "stride": (1,), "offset": -1},
        {"size": (2,), "stride": (-1,), "offset": 3},
        {"size": (-1,), "stride": (1,)},
        {"size": (2, 2), "stride": (1, -1), "offset": 1},
        {"size": (5,), "stride": (2**60,)},
        {"size": (5,), "stride": (2**62,)},
        {"size": (2,), "stride": (2**64,)},
        {"size": (2**32, 2**32), "stride": (0, 0)},
        {"size": (10**9,), "stride": (0,)},
        {"size": (2, 3), "stride": (1,)},
        {"size": (2,), "stride": (1, 1)},
    ],
    ids=lambda geometry: "-".join(f"{k}{v}".replace(" ", "") for k, v in geometry.items()),
)
def test_read_state_of_a_tensor_beyond_its_storage_raises(write, form, geometry):
    refusal(write(form, state_pickle(tensor(**geometry))))


@by_format
@pytest.mark.parametrize("count", [5, 7, 0, -6, 2**40, 2**61, 2**70])
def test_read_state_of_a_storage_of_another_size_raises(write, form, count):
    refusal(write(form, state_pickle(tensor((1,), (1,), count=count))))


@pytest.mark.parametrize("count", [-1, 7, 2**61, 2**63 - 1])
def test_read_state_of_an_old_file_with_another_storage_size_raises(write, count):
    path = write("old", state_pickle(tensor()))
    content = path.read_bytes()
    path.write_bytes(content[: -len(SIX) - 8] + struct.pack("<q", count) + SIX)
    assert "storage 0 is incomplete" in refusal(path)


@by_format
@pytest.mark.parametrize("kind", [b"VO\n", b"V|O8\n", b"Vobject\n", b"I8\n", b"}", b"V<U9\n"])
def test_read_state_of_a_forged_storage_type_raises(write, form, kind):
    assert " is not allowed" in refusal(write(form, state_pickle(tensor(kind=kind))))


@by_format
@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (b"].", "'list' object has no attribute 'items'"),
        (state_pickle(b"I3\n"), "expected a _Tensor, got a int"),
        (state_pickle(b"V0\n"), "expected a _Tensor, got a str"),
        (b"}I1\n" + tensor() + b"s.", "expected a str, got a int"),
        (state_pickle(tensor(views=b"(V1\nI0\nI6\nt")), " is not allowed"),
        (state_pickle(b"(Vmodule\ntQ"), " is not allowed"),
        (state_pickle(b"ctorch._utils\n_rebuild_tensor_v2\n(I1\nI2\nI3\nI4\ntR"), "got a int"),
    ],
)
def test_read_state_of_anything_but_a_dict_of_tensors_raises(write, form, pickled, reason):
    assert reason in refusal(write(form, pickled))


@by_format
def test_read_state_of_a_big_endian_file_raises(write, form):
    assert "big-endian" in refusal(write(form, state_pickle(tensor()), order=b"big"))


def test_read_state_of_storages_that_do_not_match_the_tensors_raises(write):
    path = write("old", state_pickle(tensor()))
    content = path.read_bytes()
    path.write_bytes(content.replace(pickle.dumps(["0"], 2), pickle.dumps(["1"], 2)))
    assert "storages and tensors do not match" in refusal(path)
    path = write("zip", state_pickle(tensor().replace(b"V0\nVcpu", b"V1\nVcpu")))
    assert "no item named" in refusal(path)


def test_read_state_of_a_compressed_archive_raises(write):
    bomb = state_pickle(tensor(count=2**20))
    path = write("zip", bomb, bytes(2**22), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**14
    assert "the archive is compressed" in refusal(path)


@by_golden
def test_read_state_of_a_truncated_file_raises(golden, tmp_path):
    content, path = golden.read_bytes(), tmp_path / "cut.pth"
    for end in (*range(0, len(content), 7), len(content) - 1):
        path.write_bytes(content[:end])
        refusal(path)


@pytest.mark.parametrize("number", [0x1950A86A20F9469CFC6C, 1001])
def test_read_state_of_an_old_file_with_another_header_raises(write, number):
    path = write("old", state_pickle(tensor()))
    content = path.read_bytes()
    path.write_bytes(content.replace(pickle.dumps(number, 2), pickle.dumps(number + 1, 2)))
    assert "unknown file header" in refusal(path)


def test_read_state_of_an_old_file_with_trailing_bytes_raises(tmp_path):
    path = tmp_path / "longer.pth"
    path.write_bytes(GOLDENS[1].read_bytes() + b"\0")
    assert "unexpected data after the last storage" in refusal(path)


@by_golden
def test_read_state_of_a_changed_byte_raises_user_error_or_loads(golden, tmp_path):
    original = read_state(golden)
    content, path = golden.read_bytes(), tmp_path / "changed.pth"
    unnoticed = 0
    positions = range(0, len(content), 7)
    for k in positions:
        path.write_bytes(content[:k] + bytes([content[k] ^ 0x55]) + content[k + 1 :])
        try:
            state = read_state(path)
        except UserError:
            continue
        unnoticed += 1
        if golden.stem == "torch_zip":  # It has checksums; the old format has none.
            assert state.keys() == original.keys()
            assert all(state[name].tobytes() == x.tobytes() for name, x in original.items())
    assert unnoticed < len(positions)


def archive_of_arrays() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=MATRIX)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"weights\n",
        b"<!DOCTYPE html><html>Not found</html>",
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
        bytes(1000),
        bytes(range(256)) * 4,
        b"PK\3\4",
        pickle.dumps({"x": 1}),
        pickle.dumps([1, 2, 3]) * 5,
        archive_of_arrays(),
    ],
    ids=["empty", "text", "html", "png", "zeros", "bytes", "pk", "pickle", "pickles", "npz"],
)
def test_read_state_of_another_file_format_raises(tmp_path, content):
    path = tmp_path / "foreign.pth"
    path.write_bytes(content)
    assert "not a readable state dict of torch.save" in refusal(path)


def test_read_state_of_a_missing_file_or_a_folder_raises(tmp_path):
    assert "No such file" in refusal(tmp_path / "missing.pth")
    assert "cannot read it" in refusal(tmp_path)
