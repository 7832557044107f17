"""Means over the training seeds of a study."""

import pytest

from evaluation.reports import groups
from tests.evaluation.cases import cells, entry


def evaluation(name, dataset="A", **metrics):
    return {"name": name, "dataset": dataset, "metrics": metrics}


def test_table_of_means_has_a_column_per_group_with_mean_and_standard_deviation():
    evaluations = [
        evaluation("a0", fid=entry(1.0), nmi=entry(0.5)),
        evaluation("a1", fid=entry(2.0), nmi=entry(None, reason="x")),
        evaluation("a2", fid=entry(6.0), nmi=entry(0.5)),
        evaluation("b0", fid=entry(4.0, spread=0.25), nmi=entry(0.25)),
        evaluation("noise", fid=entry(9.0)),
    ]
    of_runs = {"a0": "a", "a1": "a", "a2": "a", "b0": "b"}
    table, legend = groups.table_of_means(evaluations, of_runs).split("\n\n")
    assert cells(table) == [
        ["A", "a (3 seeds)", "b", "noise"],
        ["fid ↓", "3 ± 2.6", "4 ± 0.25", "9"],  # sqrt((4 + 1 + 9) / 2)
        ["nmi ↑", "n/a", "0.25", "n/a"],
    ]
    assert legend == groups.LEGEND


def test_mean_entry_of_one_run_is_its_entry():
    one = entry(2.0, values=[1.0, 2.0, 6.0], seeds=[0, 1, 2])
    assert groups.mean_entry([one]) == one
    assert groups.mean_entry([entry(2.0, code=1)]) == entry(2.0, code=1)


def test_mean_entry_of_several_runs_takes_the_value_of_each():
    two = [entry(2.0, values=[1.0, 2.0, 6.0]), entry(4.0, values=[4.0, 4.0, 4.0])]
    assert groups.mean_entry(two) == {
        "value": 3.0, "protocol": {"spread": pytest.approx(2**0.5)},
    }  # fmt: skip
    assert groups.mean_entry([two[0], None])["value"] is None


def test_groups_of_the_same_name_on_two_data_sets_are_two():
    evaluations = [evaluation(f"a{k}", dataset, fid=entry(1.0)) for k, dataset in enumerate("AB")]
    tables = groups.table_of_means(evaluations, {"a0": "a", "a1": "a"}).split("\n\n")
    assert [cells(table)[0] for table in tables[:2]] == [["A", "a"], ["B", "a"]]


def test_names_of_a_study_have_the_flagfile_the_setting_and_the_seed():
    name = groups.configuration_name("configs/a.txt", {"penalty": "r1:5,r2", "width": "4"})
    assert name == "a-penalty=r1_5_r2-width=4"
    assert groups.configuration_name("a.txt") == "a"
    assert groups.run_name(name, 3) == f"{name}-seed3"
