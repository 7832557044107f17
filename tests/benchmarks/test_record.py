"""Records: stages are written when they are done, void figures are marked, slower ones listed."""

import json

import pytest

from benchmarks.compare import __main__ as compare
from benchmarks.compare import cores, page, record, stages
from benchmarks.compare.__main__ import main
from benchmarks.compare.cases import DCGAN_28
from benchmarks.compare.stages import Settings, Stage
from errors import UserError


def measurement(*seconds, own=True):
    return {"seconds": list(seconds), "own": own}


def recorded(own_seconds, void=False, reference_seconds=1.0):
    group = {
        "tutorial loop, float32": measurement(reference_seconds, own=False),
        "project, float32": measurement(own_seconds),
        "PyTorch eager, float32": measurement(5 * own_seconds, own=False),
    }
    return {"stages": {"steps": {"void": void, "groups": {"DCGAN": group}}}}


def test_speedup_of_two_cores_and_of_one():
    def timer(cores):
        return lambda threads, hashes: hashes * max(1.0, threads / cores)

    assert cores.speedup(timer(2)) == 2.0
    assert cores.speedup(timer(1)) == 1.0


def test_figures_are_void_if_one_check_fails():
    assert cores.are_void([1.9, 1.59])
    assert not cores.are_void([1.9, 1.6])


def test_seconds_of_threads_are_positive(monkeypatch):
    monkeypatch.setattr(cores, "BUFFER", bytes(4096))
    assert cores.seconds_of(2, 1) > 0


@pytest.mark.parametrize(("check", "void"), [(1.9, False), (1.1, True)])
def test_measure_stage_writes_each_group_and_marks_void_figures(monkeypatch, tmp_path, check, void):
    path, said, written = tmp_path / "record.json", [], []

    def measure(settings):
        for title in ("first", "second"):
            if path.exists():
                written.append(list(json.loads(path.read_text())["stages"]["some"]["groups"]))
            yield title, {"a": measurement(1.0)}

    monkeypatch.setitem(stages.STAGES, "some", Stage("Some", "Text.", measure))
    settings, found = Settings(rounds=1, seconds=1.0, say=said.append), {"stages": {}}
    record.measure_stage(found, "some", settings, {"machine": "m"}, path, check=lambda: check)
    assert written == [["first"]]
    stored = record.read(path)
    assert stored == found
    assert list(stored["stages"]["some"]["groups"]) == ["first", "second"]
    assert stored["stages"]["some"]["speedups"] == [check] * 3
    assert stored["stages"]["some"]["void"] is void
    assert any("figures are void" in line for line in said) is void


def test_slower_lists_own_contestants_whose_ratio_fell():
    stored = recorded(1.0)
    assert list(record.slower(recorded(1.04), stored)) == []
    assert list(record.slower(recorded(0.5), stored)) == []
    assert list(record.slower(recorded(1.25), stored)) == [
        "steps, DCGAN, project, float32: 1 -> 0.8"
    ]


def test_slower_compares_ratios_and_not_seconds():
    assert list(record.slower(recorded(3.0, reference_seconds=3.0), recorded(1.0))) == []


def test_slower_has_the_spread_as_tolerance():
    def noisy(*seconds):
        found = recorded(1.0)
        group = found["stages"]["steps"]["groups"]["DCGAN"]
        group["project, float32"]["seconds"] = list(seconds)
        group["tutorial loop, float32"]["seconds"] = [1.0] * len(seconds)
        return found

    assert list(record.slower(noisy(1.0, 1.4, 3.0), noisy(1.0, 1.0, 1.0))) == []
    assert len(list(record.slower(noisy(1.4, 1.4, 1.4), noisy(1.0, 1.0, 1.0)))) == 1


def test_slower_compares_stages_without_the_tutorial_loop_with_that_of_the_steps():
    def with_evaluation(seconds, loop):
        found = recorded(loop, reference_seconds=loop)
        steps = found["stages"]["steps"]["groups"]
        steps[DCGAN_28.title] = steps.pop("DCGAN")
        stage = {**found["stages"]["steps"], "groups": {"MNIST": {"all": measurement(seconds)}}}
        stage["groups"]["MNIST"]["all"]["own"] = True
        return {"stages": {**found["stages"], "evaluate": stage}}

    before = with_evaluation(10.0, loop=1.0)
    assert list(record.slower(with_evaluation(20.0, loop=2.0), before)) == []
    assert list(record.slower(with_evaluation(20.0, loop=1.0), before)) == [
        "evaluate, MNIST, all: 0.1 -> 0.05"
    ]


def test_slower_ignores_what_only_one_record_has():
    assert list(record.slower(recorded(9.0), {"stages": {}})) == []
    assert list(record.slower({"stages": {}}, recorded(9.0))) == []


@pytest.mark.parametrize("void", [(True, False), (False, True)])
def test_slower_raises_for_void_figures(void):
    with pytest.raises(UserError, match="steps: the figures of a record are void"):
        list(record.slower(recorded(1.0, void[0]), recorded(1.0, void[1])))


def test_installed_names_the_libraries_that_are_missing():
    said, group = [], stages.products()
    absent = [type(one)(one.name, one.build, requires="no_such_library") for one in group[:2]]
    settings = Settings(rounds=1, seconds=1.0, say=said.append)
    assert stages.installed([*absent, group[0]], settings) == [group[0]]
    assert said[0].startswith("not installed: no_such_library")
    assert "skipped: TensorFlow, float32; TensorFlow, bfloat16" in said[0]


def test_command_compares_two_records(tmp_path, capsys):
    paths = {}
    for name, seconds in (("before", 1.0), ("same", 1.01), ("after", 2.0)):
        paths[name] = tmp_path / f"{name}.json"
        paths[name].write_text(json.dumps(recorded(seconds)))

    def compare(name):
        flags = ["--stages=none", f"--record={paths[name]}", f"--compare={paths['before']}"]
        return main(flags)

    assert compare("same") == 0
    assert "nothing is slower" in capsys.readouterr().out
    assert compare("after") == 1
    assert "project, float32: 1 -> 0.5" in capsys.readouterr().out


def test_published_record_compared_with_itself_is_not_slower(root, capsys):
    path = root / "benchmarks" / "compare.json"
    assert main(["--stages=none", f"--record={path}", f"--compare={path}"]) == 0
    assert capsys.readouterr().out == "nothing is slower\n"


def test_command_publishes_neither_void_figures_nor_parts_nor_two_machines(
    root, tmp_path, monkeypatch
):
    for name in ("RECORD", "PAGE", "FIGURE"):
        monkeypatch.setattr(compare if name == "RECORD" else page, name, tmp_path / name)
    path = tmp_path / "compare.json"

    def refusal(change):
        content = json.loads((root / "benchmarks" / "compare.json").read_text())
        change(content["stages"])
        path.write_text(json.dumps(content))
        with pytest.raises(UserError) as error:
            main(["--stages=none", "--publish", f"--record={path}"])
        return str(error.value)

    assert refusal(lambda s: s["start"].update(void=True)).startswith(
        "publish: the figures of start are void; measure them again"
    )
    assert refusal(lambda s: s.pop("start")) == "publish: start is not measured; add stages=start"
    other = refusal(lambda s: s["start"]["environment"].update(machine="another"))
    assert other.endswith("and another; measure all on one machine")


def test_command_names_the_flag_of_an_unknown_stage():
    with pytest.raises(UserError, match=r"stages: no such stage: stepps.*steps"):
        main(["--stages=stepps"])


def test_command_names_a_file_that_is_not_a_record(tmp_path):
    path = tmp_path / "other.json"
    path.write_text("[]")
    with pytest.raises(UserError, match=r"other\.json: not a record"):
        main(["--stages=none", f"--compare={path}"])
