"""The README's tables of published results."""

from evaluation.reports import readme
from tests.evaluation.cases import (
    CLUSTERS,
    CODES,
    FACTORS,
    README,
    baseline,
    cells,
    entry,
    record,
)


def test_training_table_without_records_has_its_header_alone():
    assert len(readme.training_table([]).splitlines()) == 2


def test_training_table_links_the_flagfile():
    header, _, row = readme.training_table([record()]).splitlines()
    assert [cell.strip() for cell in header.split("|")[1:-1]] == [
        "model", "dataset", "flagfile", "seed", "steps", "kimg", "minutes", "machine",
    ]  # fmt: skip
    assert [cell.strip() for cell in row.split("|")[1:-1]] == [
        "gan", "MNIST", "[gan_mnist](configs/gan_mnist.txt)", "0", "28,110", "1,799", "12.3",
        "2 cores, no GPU",
    ]  # fmt: skip


def test_training_table_omits_baselines():
    table = readme.training_table([baseline(), record(), baseline(dataset="CIFAR10")])
    assert table == readme.training_table([record()])


def test_metrics_table_is_one_per_data_set_with_a_row_per_record():
    other = record(
        model="dcgan",
        flagfile="configs/dcgan_mnist.txt",
        seed=1,
        metrics={"fid": entry(7.5), "recall": entry(0.5)},
    )
    unable = record(seed=2, metrics={"fid": entry(None, reason="no")})
    elsewhere = record(dataset="CIFAR10", metrics={"fid": entry(30.0)})
    first, second = readme.metrics_table([elsewhere, baseline(), record(), other, unable]).split(
        "\n\n"
    )
    assert cells(first) == [["CIFAR10", "fid"], ["gan_mnist, seed 0", "30"]]
    assert cells(second) == [
        ["MNIST", "fid", "recall"],
        ["uniform noise", "n/a", "n/a"],
        ["gan_mnist, seed 0", "n/a", "n/a"],
        ["dcgan_mnist, seed 1", "7.5", "0.5"],
        ["gan_mnist, seed 2", "n/a", "n/a"],
    ]


def test_metrics_table_omits_secondary_metrics():
    kept = ("fid", "fd_digits", "is_digits", "precision", "copied_share", "conditional_accuracy")
    left = ("fid_infinity", "fd_digits_256", "pixel_mean", "distinct_share")
    metrics = {name: entry(1.0) for name in (*left, *kept)}
    header, _ = cells(readme.metrics_table([record(metrics=metrics)]))
    assert header == ["MNIST", *kept]


def test_codes_table_has_the_median_of_the_training_seeds():
    def trained(seed, accuracy, slant=None, **changes):
        slant = {"slant_correlation": entry(slant, **({} if slant else {"reason": "no"}))}
        metrics = {"fid": entry(7.5), "cluster_accuracy": entry(accuracy), **slant}
        return record(seed=seed, metrics=metrics, **changes)

    records = [
        record(metrics={"fid": entry(1.0)}, flagfile="configs/dcgan_mnist.txt"),
        *(trained(0, 0.7, 0.9), trained(1, 0.9, 0.8), trained(2, 0.8)),
        trained(0, 0.5, 0.6, flagfile="configs/other.txt"),
        trained(0, 0.25, dataset="CIFAR10"),
        baseline(),
    ]
    first, second = readme.codes_table(records).split("\n\n")
    assert cells(first) == [
        ["MNIST", "cluster_accuracy", "slant_correlation"],
        ["gan_mnist, seed 0", "0.7", "0.9"],
        ["gan_mnist, seed 1", "0.9", "0.8"],
        ["gan_mnist, seed 2", "0.8", "n/a"],
        ["gan_mnist, median of 3 seeds", "0.8 (0.7 to 0.9)", "n/a"],
        ["other, seed 0", "0.5", "0.6"],
    ]
    assert cells(second) == [["CIFAR10", "cluster_accuracy"], ["gan_mnist, seed 0", "0.25"]]
    assert "cluster" not in readme.metrics_table(records)
    assert "correlation" not in readme.metrics_table(records)


def test_codes_table_has_each_metric_of_codes():
    names = [*FACTORS, *CODES, *CLUSTERS]
    table = readme.codes_table([record(metrics={name: entry(0.5) for name in names})])
    assert cells(table)[0] == ["MNIST", *names]


def test_protocols_table_compares_batches_with_all_samples():
    def trained(seed, all_of_them, batch):
        names = ("fd_digits", "fd_digits_256", "is_digits", "is_digits_256", "precision")
        values = (all_of_them, batch, 9.5, 9.0, 0.5)
        metrics = {name: entry(value) for name, value in zip(names, values, strict=True)}
        return record(seed=seed, metrics=metrics)

    table = readme.protocols_table([trained(0, 1.0, 2.5), trained(1, 2.0, 3.5)])
    assert cells(table) == [
        ["MNIST", "fd_digits", "fd_digits_256", "is_digits", "is_digits_256"],
        ["gan_mnist, seed 0", "1", "2.5", "9.5", "9"],
        ["gan_mnist, seed 1", "2", "3.5", "9.5", "9"],
        ["gan_mnist, median of 2 seeds", "1.5 (1 to 2)", "3 (2.5 to 3.5)", "9.5", "9"],
    ]
    assert "_256" not in readme.metrics_table([trained(0, 1.0, 2.5)])


def test_metrics_table_of_names_of_any_length_is_aligned():
    for name in ("A", "A_VERY_LONG_NAME_OF_A_SET"):
        table = readme.metrics_table([record(dataset=name)])
        assert len({len(line) for line in table.splitlines()}) == 1, table


def test_metrics_table_without_records_is_empty():
    assert readme.metrics_table([]) == ""


def test_fill_replaces_the_text_between_the_marks_alone():
    filled = readme.fill(README, [record()])
    assert filled.startswith(
        f"# Title\n\n<!-- results: training -->\n\n{readme.training_table([record()])}"
    )
    assert "stale" not in filled
    assert filled.count("<!-- end of results -->") == 2
    assert readme.metrics_table([record()]) in filled
    assert "\n\nBetween.\n\n" in filled
    assert filled.endswith("<!-- end of results -->\n\nAfter.\n")


def test_fill_repeated_changes_nothing_unless_the_records_differ():
    once = readme.fill(README, [record()])
    assert readme.fill(once, [record()]) == once
    assert readme.fill(once, [record(steps=5)]) != once
    assert readme.fill(readme.fill(once, [record(steps=5)]), [record()]) == once


def test_fill_of_a_block_of_some_models_has_their_records_alone():
    records = [record(model=name) for name in ("gan", "dcgan", "bigan")]
    text = "<!-- results: training{} -->\n<!-- end of results -->\n"
    filled = readme.fill(text.format(" of gan, bigan"), records)
    assert readme.training_table([records[0], records[2]]) in filled
    assert readme.fill(filled, records) == filled
    assert readme.training_table(records) in readme.fill(text.format(""), records)


def test_fill_of_a_text_without_marks_changes_nothing():
    assert readme.fill("no marks\n", [record()]) == "no marks\n"
