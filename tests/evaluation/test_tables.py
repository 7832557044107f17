"""Cells, tables and notes of evaluations."""

import pytest

from evaluation.reports import groups, tables
from tests.evaluation.cases import cells, entry


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "n/a"),
        (0.0, "0"),
        (0.5, "0.5"),
        (1 / 3, "0.3333"),
        (0.00001234, "1.234e-05"),
        (123.456, "123.5"),
        (-2.0, "-2"),
        (999.94, "999.9"),
        (999.96, "1,000"),
        (1234.5678, "1,235"),
        (12345678.0, "12,345,678"),
        (float("nan"), "nan"),
        (7, "7"),
        (28110, "28,110"),
        ("text", "text"),
    ],
)
def test_cell_has_four_digits_or_na(value, text):
    assert tables.cell(value) == text


def test_table_aligns_numbers_to_the_right():
    assert tables.table(
        ["run", "fid", "note"],
        [["a", 1234.5678, "long note"], ["longer", None, ""], ["b", 0.25, "x"]],
    ).splitlines() == [
        "| run    |   fid | note      |",
        "| ------ | ----: | --------- |",
        "| a      | 1,235 | long note |",
        "| longer |   n/a |           |",
        "| b      |  0.25 | x         |",
    ]


def test_table_with_a_wide_header_has_its_width():
    assert tables.table(["distinct_share"], [[1.0]]).splitlines() == [
        "| distinct_share |",
        "| -------------: |",
        "|              1 |",
    ]


def test_table_with_a_row_of_another_length_raises():
    with pytest.raises(ValueError, match="argument"):
        tables.table(["a", "b"], [[1.0]])


def test_cell_of_several_seeds_has_their_range():
    assert tables.cell(entry(7.25, seed=0)) == "7.25"
    assert tables.cell(entry(7.25, seed=0, spread=0.1234)) == "7.25 ± 0.12"
    assert tables.cell(entry(7.25, seed=0, spread=0.0)) == "7.25"
    assert tables.cell(entry(None, reason="no classes")) == "n/a"
    assert tables.cell(entry(2.5, values=[3.0, 1.0, 2.5], seeds=[0, 1, 2])) == "2.5 (1 to 3)"


def test_cell_of_a_code_metric_names_the_code_unless_seeds_differ():
    assert tables.cell(entry(0.9, code=1)) == "0.9, code 1"
    several = {"seeds": [0, 1], "values": [0.85, 0.95]}
    assert tables.cell(entry(0.9, code=0, **several)) == "0.9 (0.85 to 0.95), code 0"
    assert tables.cell(entry(0.9, code=[0, 1], **several)) == "0.9 (0.85 to 0.95)"


def test_table_of_measurements_aligns_them_to_the_right():
    lines = tables.table(["a"], [[entry(1.0)], [entry(22.5)], [None]]).splitlines()
    assert lines[1:] == ["| ---: |", "|    1 |", "| 22.5 |", "|  n/a |"]


def test_low_middle_high_returns_the_range_and_the_value():
    assert tables.low_middle_high(None) is None
    assert tables.low_middle_high(entry(None, reason="no")) is None
    assert tables.low_middle_high(entry(4.0, seed=0)) == (4.0, 4.0, 4.0)
    assert tables.low_middle_high(entry(2.5, values=[3.0, 1.0, 2.5])) == (1.0, 2.5, 3.0)


def test_tables_of_several_models_have_a_row_per_metric_and_a_column_per_model():
    lacking = entry(None, reason="x")
    one = {"name": "one", "dataset": "A", "metrics": {"fid": lacking, "nmi": entry(0.5)}}
    two = {"name": "two", "dataset": "A", "metrics": {"fid": lacking, "ari": entry(0.25)}}
    assert tables.metric_names([one, two]) == ["nmi", "ari"]
    assert cells(tables.tables([one, two])) == [
        ["A", "one", "two"],
        ["nmi ↑", "0.5", "n/a"],
        ["ari ↑", "n/a", "0.25"],
    ]


def test_tables_of_several_data_sets_are_one_per_data_set():
    one, two, three = (
        {"name": name, "dataset": dataset, "metrics": {"fid": entry(value)}}
        for name, dataset, value in (("one", "B", 1.0), ("two", "A", 2.0), ("three", "B", 3.0))
    )
    assert tables.by_dataset([one, two, three]) == {"B": [one, three], "A": [two]}
    first, second = tables.tables([one, two, three]).split("\n\n")
    assert cells(first) == [["B", "one", "three"], ["fid ↓", "1", "3"]]
    assert cells(second) == [["A", "two"], ["fid ↓", "2"]]


def test_tables_are_one_per_fingerprint_whatever_the_names():
    records = [
        {"name": name, "dataset": dataset, "metrics": {"fid": entry(1.0, **protocol)}}
        for name, dataset, protocol in (
            ("one", "images", {"fingerprint": "a" * 64, "image_shape": [32, 32, 3]}),
            ("two", "images", {"fingerprint": "b" * 64, "image_shape": [64, 64, 3]}),
            ("three", "moved", {"fingerprint": "a" * 64, "image_shape": [32, 32, 3]}),
        )
    ]
    one, two, three = records
    assert tables.by_dataset(records) == {
        "images (32x32x3, aaaaaaaa)": [one, three],
        "images (64x64x3, bbbbbbbb)": [two],
    }
    assert tables.by_dataset([one, three]) == {"images": [one, three]}
    first, second, _ = groups.table_of_means(records, {}).split("\n\n")
    assert cells(first)[0] == ["images (32x32x3, aaaaaaaa)", "one", "three"]
    assert cells(second)[0] == ["images (64x64x3, bbbbbbbb)", "two"]


def test_notes_have_the_protocol_the_reasons_and_the_seconds():
    metrics = {
        "fid": entry(
            2.0, n_fake=50, features="inception", features_sha256="0123456789" * 6, split="test"
        ),
        "fid_256": entry(1.0, n_fake=256, split="test"),
        "nmi": entry(None, reason="no labels"),
        "ari": entry(None, reason="no labels"),
    }
    assert tables.notes({"name": "one", "metrics": metrics, "seconds": {"loading": 1.5}}) == (
        "one: split test\n"
        "  fid: n_fake 50, features inception, features_sha256 012345678901\n"
        "  fid_256: n_fake 256\n"
        "  n/a: nmi, ari: no labels\n"
        "  seconds: loading 1.5"
    )
    assert tables.missing({"metrics": metrics}) == ["n/a: nmi, ari: no labels"]
    assert tables.missing({"metrics": {"fid": entry(2.0)}}) == []


@pytest.mark.parametrize(
    ("name", "shown"),
    [("kd_my_net", "kd_my_net ↓"), ("recall", "recall ↑"), ("pixel_mean", "pixel_mean"),
     ("of_an_earlier_version", "of_an_earlier_version")],
)  # fmt: skip
def test_with_arrow_shows_the_direction_that_is_better(name, shown):
    assert tables.with_arrow(name) == shown


def lacking(**reasons):
    return {"metrics": {name: entry(None, reason=text) for name, text in reasons.items()}}


def test_summary_of_missing_is_one_line():
    measured = {"metrics": {"fid": entry(2.0)}}
    assert tables.summary_of_missing([measured]) == ""
    two = lacking(nmi="no code", ari="no code")
    assert tables.summary_of_missing([measured, two]) == "n/a: nmi, ari: no code"
    more = lacking(a="x", b="x", c="x", d="x", e="x")
    assert tables.summary_of_missing([more]) == "n/a: a, b, c and 2 more: x"
    end = "; --verbose lists them with the reasons"
    assert tables.summary_of_missing([two, lacking(fid="y")]) == f"n/a: nmi, ari, fid{end}"
    assert tables.summary_of_missing([two, more]) == f"n/a: nmi, ari, a and 4 more{end}"


def test_summary_of_missing_of_several_runs_has_a_reason_that_all_share_only():
    gan, vae = lacking(nmi="GAN has no code"), lacking(nmi="VAE has no code")
    without = "n/a: nmi; --verbose lists them with the reasons"
    assert tables.summary_of_missing([gan, vae]) == without
    assert tables.summary_of_missing([vae, gan]) == without
    assert tables.summary_of_missing([gan, gan]) == "n/a: nmi: GAN has no code"
    assert tables.summary_of_missing([gan, {"metrics": {"nmi": entry(0.5)}}]) == without
