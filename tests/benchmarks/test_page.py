"""Tables and the figure of a record."""

import pytest

from benchmarks.compare import contestants, page
from errors import UserError
from tests.benchmarks.test_record import measurement

MACHINE = {"machine": "2 cores", "tensorflow": "2.21", "keras": "3.15"}


def stage(groups, void=False):
    return {"environment": MACHINE, "void": void, "groups": groups}


@pytest.fixture
def record():
    steps = {
        "tutorial loop, float32": {
            **measurement(0.1, 0.2, 0.4, own=False),
            **{"images": 64, "multiplications": 10, "precision": "float32", "peak_memory": 900.4},
        },
        "project, float32": {
            **measurement(0.05, 0.1, 0.2),
            **{"images": 64, "multiplications": 20, "precision": "float32", "peak_memory": 800.0},
        },
    }
    peak = {
        "TensorFlow, float32": {
            **measurement(0.1, 0.1, 0.1, own=False),
            **{"multiplications": 40, "precision": "float32"},
        }
    }
    return {"stages": {"steps": stage({"DCGAN": steps}), "peak": stage({"product": peak})}}


def row(text, name):
    (line,) = [line for line in text.splitlines() if line.startswith(f"| {name}")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


@pytest.mark.parametrize("change", [{"void": True}, {"environment": {**MACHINE, "machine": "1"}}])
def test_peak_that_is_void_or_of_another_machine_gives_no_share(record, change):
    record["stages"]["peak"] |= change
    assert page.peaks(record, record["stages"]["steps"]) == {}


def test_markdown_has_medians_ratios_and_the_share_of_the_peak(record):
    text = page.markdown(record)
    assert text.index("### Peak of the machine") < text.index("### Train steps")
    assert "2 cores; tensorflow 2.21, keras 3.15; commit unknown." in text
    assert row(text, "project") == ["100", "75", "2", "0", "640", "2e-07", "50 %", "800"]
    assert row(text, "tutorial loop") == [
        *("200", "150", "1", "n/a", "320", "5e-08", "12 %", "900"),
    ]


def test_markdown_marks_void_figures(record):
    assert "Void" not in page.markdown(record)
    record["stages"]["steps"]["void"] = True
    assert "**Void: two threads did not run on two cores.**" in page.markdown(record)


def test_gain_stays_only_beyond_the_interval_of_the_control():
    removed, added = contestants.MEASURES[0], contestants.MEASURES[-1]
    assert added.adds
    without, with_ = map(contestants.label, (removed, added))
    even = [1.0] * 7
    group = {
        "project, float32": measurement(*even),
        contestants.CONTROL: measurement(*even),
        without: measurement(*[1.04] * 7),
        with_: measurement(*[1.04] * 7),
    }

    def stay():
        found = page.gains(group)
        return [found[m.name].stays(found["control"]) for m in (removed, added)]

    first, last = (page.gains(group)[m.name] for m in (removed, added))
    assert first == page.Gain(*[pytest.approx(0.04)] * 3)
    assert last.median == pytest.approx(1 / 1.04 - 1)
    group[contestants.CONTROL] = measurement(*[1.21] * 7)
    assert page.gains(group)[removed.name].median == pytest.approx(1.04 / 1.1 - 1)
    assert page.gains(group)["control"].median == pytest.approx(1.1 / 1.21 - 1)
    group[contestants.CONTROL] = measurement(*even)
    assert stay() == [True, False]
    for other in (0.86, 1.16):  # up to 8 % from the mean of both processes, faster or slower
        group[contestants.CONTROL] = measurement(other, other, *even[2:])
        assert stay() == [False, False]
    group[contestants.CONTROL] = measurement(*even)
    group[without] = measurement(0.9, 0.94, *[1.04] * 5)
    assert stay() == [False, False]
    group[without] = measurement(*[1.02] * 7)
    assert stay() == [False, False]
    table = page.gain_table(group)
    assert "| below 3 % " in table
    group[without] = measurement(*[1.04] * 7)
    group[contestants.CONTROL] = measurement(1.16, 1.16, *even[2:])
    assert "| not beyond the control |" in page.gain_table(group)


def test_write_page_replaces_the_text_between_the_markers(record, tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"before\n{page.BEGIN}\nold\n{page.END}\nafter\n")
    page.write_page(record, path)
    text = path.read_text()
    assert text.startswith(f"before\n{page.BEGIN}\n\n### Peak")
    assert text.endswith(f"|\n\n{page.END}\nafter\n")
    assert "old" not in text


def test_write_page_raises_without_markers(record, tmp_path):
    path = tmp_path / "page.md"
    path.write_text("text\n")
    with pytest.raises(UserError, match="lacks the lines"):
        page.write_page(record, path)


def test_page_of_the_documentation_has_the_markers():
    text = page.PAGE.read_text()
    assert text.count(page.BEGIN) == text.count(page.END) == 1


def test_figure_is_drawn_if_steps_are_measured(record, tmp_path):
    page.draw_figure({"stages": {}}, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()
    page.draw_figure(record, tmp_path / "figure.png")
    assert (tmp_path / "figure.png").read_bytes().startswith(b"\x89PNG")


def test_panels_of_the_figure_have_one_axis_and_the_speed_of_the_reference(record, monkeypatch):
    drawn = []
    monkeypatch.setattr(page.plotting, "save_dots", lambda path, *given: drawn.append(given))
    page.draw_figure(record)
    ((panels, title),) = drawn
    assert title == "Speed relative to the tutorial loop"
    highest = max(values[2] for panel in panels for values in panel.values.values())
    assert {panel.includes for panel in panels} == {(0.0, highest)}
    assert {panel.reference for panel in panels} == {1.0}
