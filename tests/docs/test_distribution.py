"""The page on distribution shows its record."""

import json

from benchmarks.distribution import OF_WORKERS, PAGE, RECORD, with_tables
from tests.distribution.steps import CASES
from tests.distribution.test_steps import OF_REPLICAS, assert_equal


def test_tables_of_the_page_are_those_of_the_record():
    record, page = json.loads(RECORD.read_text()), PAGE.read_text()
    assert with_tables(page, record) == page


def test_record_has_every_case_within_its_tolerance():
    record = json.loads(RECORD.read_text())
    for kind, names in (("devices", CASES), ("workers", OF_WORKERS)):
        assert [found["case"] for found in record[kind]] == list(names)
        for found in record[kind]:
            if found["case"] != OF_REPLICAS:
                assert_equal(found["case"], found)
