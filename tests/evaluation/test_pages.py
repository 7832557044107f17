"""Generated tables: blocks of the pages and tables of published results."""

import pytest

from benchmarks import steps
from evaluation import families
from evaluation.reports import pages
from tests.evaluation.cases import CLUSTERS, CODES, FACTORS, PAGE, baseline, cells, entry, record
from training import machine


def block(request, records):
    """Return the rows of cells of a generated block."""
    text = f"<!-- results: {request} -->\n<!-- end of results -->\n"
    return cells(pages.fill(text, records).split("\n\n")[1])


@pytest.fixture(autouse=True)
def no_step_times(tmp_path, monkeypatch):
    """Replace the file of published step times by a missing one."""
    monkeypatch.setattr(pages, "STEP_TIMES", tmp_path / "step_times.json")


def test_training_table_without_records_has_its_header_alone():
    assert len(pages.training_table([], pages.ROOT).splitlines()) == 2


def test_training_table_links_the_flagfile():
    header, row = block("training", [record()])
    assert header == ["model", "flagfile", "seed", "steps", "kimg", "wall minutes", "machine"]
    assert row == [
        "gan", "[gan_mnist](configs/gan_mnist.txt)", "0", "28,110", "1,799", "12.3",
        "2 cores, no GPU",
    ]  # fmt: skip
    table = pages.training_table([record()], pages.ROOT / "docs" / "results")
    assert "[gan_mnist](../../configs/gan_mnist.txt)" in table


def test_tables_have_minutes_of_steps_on_an_idle_machine(monkeypatch):
    monkeypatch.chdir(pages.ROOT)
    monkeypatch.setattr(machine, "environment", lambda: {"machine": "2 cores, no GPU"})
    steps.write_step_times({"./configs/gan_mnist.txt": 0.0102})
    steps.write_step_times({"configs/other.txt": 1.0})
    header, row = block("training", [record()])
    assert dict(zip(header, row, strict=True))["minutes"] == "4.8"  # 28,110 x 10.2 ms
    assert dict(zip(header, row, strict=True))["wall minutes"] == "12.3"
    assert block("training", [record(machine="8 cores")])[0] == [
        n for n in header if n != "minutes"
    ]
    rows = block("models", [record(metrics={"fd_digits": entry(5.0)})])
    assert "fd_digits 5 on MNIST, 5 min" in [row[-1] for row in rows]


def test_scalars_table_has_the_lowest_and_the_highest_quantile_of_the_seeds():
    request = "<!-- results: scalars flagfile=gan_mnist,other -->\n<!-- end of results -->\n"
    assert pages.fill(request, [record()]) == request
    one = record(scalars={"d_loss": [0.5, 0.75], "k": [0.0, 0.25]})
    two = record(seed=1, scalars={"d_loss": [0.25, 0.625], "k": [0.125, 0.5]})
    other = record(flagfile="configs/other.txt", scalars={"d_loss": [-1250.0, 2.0]})
    filled = pages.fill(request, [one, two, other, record(seed=2)])
    assert "\n\n5 to 95 % of the values in the last third of the training:\n\n" in filled
    assert cells(filled.split("\n\n")[2]) == [
        [
            "scalar",
            "[gan_mnist](configs/gan_mnist.txt), 2 seeds",
            "[other](configs/other.txt), 1 seed",
        ],
        ["`d_loss`", "0.25 to 0.75", "-1,250 to 2"],
        ["`k`", "0 to 0.5", "n/a"],
    ]


def test_training_table_omits_baselines():
    rows = block("training", [baseline(), record(), baseline(dataset="CIFAR10")])
    assert rows == block("training", [record()])


def test_quality_table_has_values_and_medians_of_the_selected_records():
    seeds = [record(seed=k, metrics={"fid": entry(float(7 + k))}) for k in range(3)]
    other = record(flagfile="configs/dcgan_mnist.txt", model="dcgan", metrics={"fid": entry(30.0)})
    elsewhere = record(dataset="CIFAR10", metrics={"fid": entry(99.0)})
    rows = block("quality dataset=MNIST", [*seeds, other, elsewhere])
    assert rows == [
        ["run", "fid"],
        ["gan_mnist, seed 0", "7"],
        ["gan_mnist, seed 1", "8"],
        ["gan_mnist, seed 2", "9"],
        ["gan_mnist, median of 3 seeds", "8"],
        ["dcgan_mnist, seed 0", "30"],
    ]
    assert block("quality dataset=MNIST model=dcgan", [*seeds, other]) == [rows[0], rows[-1]]
    assert block("quality flagfile=dcgan_mnist", [*seeds, other]) == [rows[0], rows[-1]]


def test_ranges_table_has_the_lowest_and_the_highest_value():
    records = [
        record(seed=0, metrics={"fid": entry(7.0, values=[6.0, 7.0, 9.0])}),
        record(seed=1, metrics={"fid": entry(8.0, values=[8.0, 8.0])}),
    ]
    assert block("quality_ranges", records) == [
        ["run", "fid"],
        ["gan_mnist, seed 0", "6 to 9"],
        ["gan_mnist, seed 1", "8"],
        ["gan_mnist, median of 2 seeds", "7 to 8"],
    ]


def test_ranges_table_without_a_range_is_left_out():
    mark, end = "<!-- results: quality_ranges -->\n", "<!-- end of results -->\n"
    records = [record(metrics={"fid": entry(7.0, values=[7.0, 7.0])})]
    filled = pages.fill(f"{mark}\nstale\n\n{end}", records)
    assert filled == mark + end
    records = [record(metrics={"fid": entry(7.0, values=[7.0, 8.0])})]
    assert "7 to 8" in pages.fill(filled, records)


def test_quality_table_omits_secondary_metrics():
    kept = ("fid", "fd_digits", "is_digits", "precision", "copied_share", "conditional_accuracy")
    left = ("fid_infinity", "fd_digits_256", "pixel_mean", "distinct_share", "cluster_accuracy")
    metrics = {name: entry(1.0) for name in (*left, *kept)}
    assert block("quality", [record(metrics=metrics)])[0] == ["run", *kept]


def test_codes_table_has_each_metric_of_codes_and_records_with_one_alone():
    names = [*FACTORS, *CODES, *CLUSTERS]
    coded = record(metrics={name: entry(0.5) for name in names})
    plain = record(flagfile="configs/dcgan_mnist.txt", metrics={"fid": entry(1.0)})
    header, *rows = block("codes", [coded, plain, baseline()])
    assert header == ["run", *names]
    assert [row[0] for row in rows] == ["gan_mnist, seed 0"]


def test_codes_table_omits_medians_of_metrics_that_a_seed_lacks():
    records = [
        record(seed=0, metrics={"nmi": entry(0.5), "ari": entry(0.25)}),
        record(seed=1, metrics={"nmi": entry(0.75), "ari": entry(None, reason="no")}),
    ]
    assert block("codes", records)[1:] == [
        ["gan_mnist, seed 0", "0.5", "0.25"],
        ["gan_mnist, seed 1", "0.75", "n/a"],
        ["gan_mnist, median of 2 seeds", "0.625", "n/a"],
    ]


def test_protocols_table_compares_batches_with_all_samples():
    names = ("fd_digits", "fd_digits_256", "is_digits", "is_digits_256", "precision")
    values = (1.0, 2.5, 9.5, 9.0, 0.5)
    metrics = {name: entry(value) for name, value in zip(names, values, strict=True)}
    assert block("protocols", [record(metrics=metrics)]) == [
        ["run", "fd_digits", "fd_digits_256", "is_digits", "is_digits_256"],
        ["gan_mnist, seed 0", "1", "2.5", "9.5", "9"],
    ]


def test_models_table_has_each_model_with_its_headline():
    records = [
        record(seed=k, flagfile="configs/infogan_mnist.txt", model="infogan",
               metrics={"cluster_accuracy": entry(0.9 + k / 100)})
        for k in range(3)
    ]  # fmt: skip
    header, *rows = block("models", records)
    assert header == ["model", "paper", "flagfile", "result"]
    assert len(rows) == len(pages.HEADLINES)
    assert [
        "[infogan](docs/models/infogan.md)",
        "[1606.03657](https://arxiv.org/abs/1606.03657)",
        "[infogan_mnist](configs/infogan_mnist.txt)",
        "cluster_accuracy 0.91 on MNIST, 12 min, median of 3 seeds",
    ] in rows
    assert sum(row[-1] == "n/a" for row in rows) == len(rows) - 1


def test_headlines_name_models_flagfiles_and_metrics():
    from models import REGISTRY

    assert set(pages.HEADLINES) == set(REGISTRY)
    for flagfile, metric in pages.HEADLINES.values():
        assert (pages.ROOT / "configs" / f"{flagfile}.txt").is_file()
        assert families.find(metric)


def test_metrics_tables_have_each_declared_metric():
    text = pages.fill("<!-- metrics -->\n<!-- end of metrics -->\n", [])
    for metric in families.declared():
        name = metric.name.replace("{features}", "<features>")
        (line,) = (line for line in text.splitlines() if line.startswith(f"| `{name}`"))
        assert metric.meaning in line
        assert metric.source in line


def test_fill_replaces_the_text_between_the_marks_alone():
    filled = pages.fill(PAGE, [record()])
    assert filled.startswith("# Title\n\n<!-- results: training -->\n\n| model")
    assert "stale" not in filled
    assert filled.count("<!-- end of results -->") == 2
    assert "\n\nBetween.\n\n" in filled
    assert filled.endswith("<!-- end of results -->\n\nAfter.\n")


def test_fill_repeated_changes_nothing_unless_the_records_differ():
    once = pages.fill(PAGE, [record()])
    assert pages.fill(once, [record()]) == once
    assert pages.fill(once, [record(steps=5)]) != once
    assert pages.fill(pages.fill(once, [record(steps=5)]), [record()]) == once


def test_fill_of_a_text_without_marks_changes_nothing():
    assert pages.fill("no marks\n", [record()]) == "no marks\n"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("qualty dataset=MNIST", "no such table: qualty; did you mean quality"),
        ("quality seed=1", "seed=1: expected one of dataset, model, flagfile"),
    ],
)
def test_fill_of_an_invalid_mark_raises(request_, message):
    with pytest.raises(ValueError, match=message):
        pages.fill(f"<!-- results: {request_} -->\n<!-- end of results -->\n", [record()])


def test_links_are_those_outside_code_blocks():
    text = "[a](b.md#c) ![p](q.png) [w](https://x.y)\n```bash\n[no](no.md)\n```\n[d](../e/f.txt)\n"
    assert pages.links(text) == ["b.md", "q.png", "../e/f.txt"]
